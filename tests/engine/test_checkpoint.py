"""A run's checkpoint comes back as it was, or is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedgin.engine.checkpoint import (
    Checkpoint,
    CheckpointError,
    job_hash,
    load_checkpoint,
    save_checkpoint,
)


@pytest.fixture
def checkpoint() -> Checkpoint:
    generator = np.random.default_rng(3)
    weights = {
        "conv.weight": generator.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "norm.num_batches_tracked": np.array(7, dtype=np.int64),
    }
    return Checkpoint(
        lineage="0123456789abcdef" * 2,
        finished_rounds=3,
        total_rounds=10,
        job={"meta.json": "{}", "app/config/training.json": '{"task": "heart"}'},
        weights=weights,
        best_weights={name: array + 1 for name, array in weights.items()},
        record={"title": "a run", "validation": {"0": {"site-1": None}}},
    )


def test_everything_comes_back(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(checkpoint, tmp_path / "a.ckpt")
    found = load_checkpoint(tmp_path / "a.ckpt")
    for field in ("lineage", "finished_rounds", "total_rounds", "job", "record", "control"):
        assert getattr(found, field) == getattr(checkpoint, field)
    assert found.best_weights is not None and checkpoint.best_weights is not None
    for ours, theirs in (
        (found.weights, checkpoint.weights),
        (found.best_weights, checkpoint.best_weights),
    ):
        assert ours.keys() == theirs.keys()
        for name, array in theirs.items():
            assert ours[name].dtype == array.dtype
            assert np.array_equal(ours[name], array)


def test_a_job_is_named_by_what_it_says(checkpoint: Checkpoint) -> None:
    assert checkpoint.job_hash == job_hash(dict(reversed(checkpoint.job.items())))
    assert checkpoint.job_hash != job_hash({**checkpoint.job, "meta.json": "{} "})


@pytest.mark.parametrize("kept", [0, 10, 400])
def test_a_truncated_file_is_refused(checkpoint: Checkpoint, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "a.ckpt"
    save_checkpoint(checkpoint, file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"a\.ckpt.*the last ones"):
        load_checkpoint(file)


def test_a_flipped_bit_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    save_checkpoint(checkpoint, file)
    content = bytearray(file.read_bytes())
    value = np.asarray(checkpoint.weights["conv.weight"]).tobytes()
    content[content.index(value) + 5] ^= 0x40
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="hashes differ"):
        load_checkpoint(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.ckpt"):
        load_checkpoint(tmp_path / "none.ckpt")


def test_another_torch_file_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.ones(2)}}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="format"):
        load_checkpoint(tmp_path / "model.pt")


def test_code_hidden_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Dangerous:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "touched"),)

    torch.save({"format": 2, "lineage": Dangerous()}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "a.ckpt")
    assert not (tmp_path / "touched").exists()


def test_a_lineage_that_leads_elsewhere_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(replace(checkpoint, lineage="../../somewhere"), tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="lineage"):
        load_checkpoint(tmp_path / "a.ckpt")


def test_a_failed_write_leaves_the_old_checkpoint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    save_checkpoint(checkpoint, file)
    before = file.read_bytes()
    with pytest.raises(TypeError):
        save_checkpoint(replace(checkpoint, record={"unfit": object()}), file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system needs rights that this user lacks")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_an_os_error_and_the_round_before_stays_whole(
    checkpoint: Checkpoint, small_disk: Path
) -> None:
    large = {"weight": np.ones(150_000, dtype=np.float32)}  # 0.6 MB
    first, second = small_disk / "after-round-00001.ckpt", small_disk / "after-round-00002.ckpt"
    save_checkpoint(replace(checkpoint, weights=large, best_weights=None), first)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(replace(checkpoint, weights=large, best_weights=None), second)
    assert np.array_equal(load_checkpoint(first).weights["weight"], large["weight"])
    assert list(small_disk.iterdir()) == [first]
