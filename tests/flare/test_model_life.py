"""After the run: measuring the released model elsewhere, and starting the next run from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedgin.engine.patient_scores import read_scores
from fedgin.jobs.export import export_job
from fedgin.release.model_file import read_release

from .conftest import QUICK, SimulatedRun, simulate


@pytest.fixture(scope="module")
def released(two_threads: SimulatedRun) -> Path:
    """A site's own copy of the first run's model."""
    (folder,) = (two_threads.workspace / "site-2" / "simulate_job" / "models").iterdir()
    return folder


def write_site(
    folder: Path, name: str, *, protocol: str, modality: str, cases: int, **more: Any
) -> None:
    dataset = {"kind": "phantom", "protocol": protocol, "seed": 9, "cases": cases}
    content = {"modality": modality, "dataset": dataset, "device": "cpu", "threads": 1, **more}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


def test_a_model_measured_again_has_the_same_dice_and_a_new_hospital_is_measured_whole(
    repository: Path,
    released: Path,
    two_threads: SimulatedRun,
    phantom_folder: Path,
    tmp_path: Path,
) -> None:
    configs = tmp_path / "configs"
    shutil.copytree(phantom_folder, configs)
    write_site(configs, "outside", protocol="native", modality="CT", cases=3, split={"by": "test"})
    job = export_job(repository / "jobs" / "evaluate", tmp_path / "job", byoc=True, model=released)
    run = simulate(
        job, tmp_path, site_configs=configs, arguments=["-c", "site-1,site-2,outside", "-t", "3"]
    )
    report = run.report
    assert report["failures"] == [], run.output[-3000:]
    name = read_release(released).name
    assert f"=== evaluation of model {name}, task heart: complete ===" in run.output
    assert report["sites"] == ["outside", "site-1", "site-2"]
    for site in ("site-1", "site-2"):
        assert report["final"]["released"][site] == two_threads.report["final"]["best"][site]
    outside = report["final"]["released"]["outside"]
    assert (outside["test"]["cases"], outside["validation"]["cases"]) == (3, 0)
    rows = read_scores(
        run.workspace / "outside" / "simulate_job" / "test_scores" / "SRV_released.csv"
    )
    assert len({row.patient for row in rows}) == 3
    assert "round 1: loss" not in run.output
    assert "No training, 3 sites" in (run.server / "report.html").read_text()


def test_an_evaluation_that_carries_no_model_says_how_to_make_one(
    repository: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    run = simulate(repository / "jobs" / "evaluate", tmp_path, site_configs=phantom_folder)
    assert "fedgin job export jobs/evaluate OUT --byoc --from MODEL" in run.output
    assert any("--from MODEL" in failure for failure in run.report["failures"])


@pytest.mark.slow
def test_a_later_job_starts_from_the_model_and_a_new_site_joins(
    repository: Path,
    released: Path,
    two_threads: SimulatedRun,
    phantom_folder: Path,
    tmp_path: Path,
) -> None:
    configs = tmp_path / "configs"
    shutil.copytree(phantom_folder, configs)
    write_site(configs, "site-3", protocol="t1", modality="MR", cases=4)
    folders = {"site-3": tmp_path / "archive", "site-2": tmp_path / "a_file"}
    folders["site-2"].write_text("no folder can be made here")
    for site, folder in folders.items():
        file = configs / f"{site}.yaml"
        content = {**yaml.safe_load(file.read_text()), "models": {"folder": str(folder)}}
        file.write_text(yaml.safe_dump(content))
    job = export_job(
        repository / "jobs" / "fed_gin_heart",
        tmp_path / "job",
        byoc=True,
        overrides=[*QUICK, "num_rounds=1"],
        model=released,
    )
    run = simulate(
        job, tmp_path, site_configs=configs, arguments=["-c", "site-1,site-2,site-3", "-t", "3"]
    )
    report, first = run.report, two_threads.report
    # The very model: measured before the first step it has the Dice that it had.
    for site in ("site-1", "site-2"):
        before = first["final"]["best"][site]["validation"]
        assert report["validation"]["0"][site]["validation"] == before, run.output[-3000:]
    assert sorted(report["contributions"]["0"]) == ["site-1", "site-2", "site-3"]
    card = read_release(run.server / "release").card
    digest = read_release(released).card.weights.sha256
    assert card.started_from == digest
    assert f"from model {digest[:16]}" in report["title"]
    assert set(card.sites) == {"site-1", "site-2", "site-3"}
    # The new site holds the new model in the folder that its own file names; it is a new run.
    (copy,) = (folders["site-3"] / "site-3").iterdir()
    assert read_release(copy).card == card
    assert card.lineage == copy.name != read_release(released).card.lineage
    # A site that cannot keep the model is named, and holds nobody up.
    assert report["failures"] == ["released model: no receipt from site-2"]
    assert "model refused" in run.output


@pytest.mark.slow
def test_sites_that_do_not_answer_in_time_hold_nobody_up(
    repository: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    overrides = [*QUICK, "num_rounds=1", "deliver_timeout=1"]
    job = export_job(
        repository / "jobs" / "fed_gin_heart", tmp_path / "job", byoc=True, overrides=overrides
    )
    # One thread: a site's process for the task takes longer than a second to start.
    run = simulate(job, tmp_path, site_configs=phantom_folder)
    (failure,) = run.report["failures"]
    assert failure.startswith("released model: no receipt from")
    assert read_release(run.server / "release").card.rounds == 1
