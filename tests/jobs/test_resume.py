"""The job that `fedgin job resume` makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedgin.engine.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from fedgin.errors import ConfigError
from fedgin.jobs.export import export_job
from fedgin.jobs.resume import describe, resume_job
from fedgin.package import check_package

CONFIG = Path("app/config")


@pytest.fixture
def checkpoint(repository: Path, tmp_path: Path) -> Checkpoint:
    """Four of ten rounds of an exported job."""
    job = export_job(
        repository / "jobs" / "fed_gin_heart",
        tmp_path / "job",
        byoc=True,
        overrides=["num_rounds=10", "augmentation=none"],
    )
    files = {
        file.relative_to(job).as_posix(): file.read_text()
        for file in (job / "meta.json", *sorted((job / CONFIG).glob("*.json")))
    }
    return Checkpoint(
        lineage="e" * 32,
        finished_rounds=4,
        total_rounds=10,
        job=files,
        weights={"a": np.ones(3, dtype=np.float32)},
    )


def saved(checkpoint: Checkpoint, folder: Path) -> Path:
    file = folder / "after-round-00004.ckpt"
    save_checkpoint(checkpoint, file)
    return file


@pytest.mark.parametrize("byoc", [True, False])
def test_only_the_rounds_and_the_checkpoint_are_new(
    checkpoint: Checkpoint, tmp_path: Path, byoc: bool
) -> None:
    out = tmp_path / "resumed"
    resume_job(saved(checkpoint, tmp_path), out, byoc=byoc)
    server = json.loads((out / CONFIG / "config_fed_server.json").read_text())
    assert server["num_rounds"] == 6
    assert server["workflows"][0]["args"]["start_round"] == 4
    server["num_rounds"], server["workflows"][0]["args"]["start_round"] = 10, 0
    assert server == json.loads(checkpoint.job["app/config/config_fed_server.json"])
    for name in ("training.json", "config_fed_client.json"):
        assert (out / CONFIG / name).read_text() == checkpoint.job[f"app/config/{name}"]
    carried = load_checkpoint(out / CONFIG / CHECKPOINT_FILE)
    assert carried.lineage == checkpoint.lineage
    assert (out / "app/custom/fedgin").is_dir() == byoc
    assert (out / "resources.json").is_file() != byoc
    check_package(out / CONFIG)


def test_a_finished_run_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    file = saved(replace(checkpoint, finished_rounds=10), tmp_path)
    with pytest.raises(CheckpointError, match="10 of 10"):
        resume_job(file, tmp_path / "resumed", byoc=True)


def test_other_code_is_refused_naming_both(checkpoint: Checkpoint, tmp_path: Path) -> None:
    stamp = {"version": "0.0.9", "sha256": "f" * 64}
    files = {**checkpoint.job, "app/config/package.json": json.dumps(stamp)}
    file = saved(replace(checkpoint, job=files), tmp_path)
    with pytest.raises(ConfigError, match=r"0\.0\.9.*f{16}"):
        resume_job(file, tmp_path / "resumed", byoc=True)


@pytest.mark.parametrize(
    "name",
    ["../outside.json", "/tmp/outside.json", "app/custom/code.py", "app/config/x/y.json", "a.json"],
)
def test_files_outside_the_job_are_refused(
    checkpoint: Checkpoint, tmp_path: Path, name: str
) -> None:
    file = saved(replace(checkpoint, job={**checkpoint.job, name: "{}"}), tmp_path)
    with pytest.raises(CheckpointError, match=r"the checkpoint's job: a (path|checkpoint)"):
        resume_job(file, tmp_path / "resumed", byoc=True)
    assert not (tmp_path / "outside.json").exists()


def test_a_folder_in_use_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "resumed").mkdir()
    (tmp_path / "resumed" / "mine").write_text("x")
    with pytest.raises(ConfigError, match="new or empty"):
        resume_job(saved(checkpoint, tmp_path), tmp_path / "resumed", byoc=True)
    assert [file.name for file in (tmp_path / "resumed").iterdir()] == ["mine"]


def test_a_line_says_what_it_is(checkpoint: Checkpoint) -> None:
    assert describe(checkpoint) == f"run {'e' * 32} of fed_gin_heart: 4 of 10 rounds finished"
