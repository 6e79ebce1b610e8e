"""A checkpoint that was put into a job which it does not belong to."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fedgin.engine.checkpoint import CHECKPOINT_FILE, job_hash, load_checkpoint
from fedgin.errors import ConfigError
from fedgin.flare.checkpoints import check_same_job, list_checkpoints
from fedgin.jobs.export import export_job

from .conftest import QUICK, SimulatedRun, simulate

SETTINGS = "app/config/training.json"


def newest_checkpoint(run: SimulatedRun) -> Path:
    (lineage,) = (run.server / "checkpoints").iterdir()
    return list_checkpoints(lineage)[-1]


def test_other_settings_are_refused_naming_both(two_threads: SimulatedRun) -> None:
    checkpoint = load_checkpoint(newest_checkpoint(two_threads))
    check_same_job(checkpoint, dict(checkpoint.job))
    other = {**checkpoint.job, SETTINGS: '{"task": "abdomen"}'}
    with pytest.raises(ConfigError) as refusal:
        check_same_job(checkpoint, other)
    for named in (
        checkpoint.lineage,
        *(job_hash({SETTINGS: job[SETTINGS]})[:16] for job in (other, checkpoint.job)),
    ):
        assert named in str(refusal.value)


def test_other_numbers_of_rounds_are_the_same_job(two_threads: SimulatedRun) -> None:
    checkpoint = load_checkpoint(newest_checkpoint(two_threads))
    server = "app/config/config_fed_server.json"
    check_same_job(checkpoint, {**checkpoint.job, server: "{}"})
    check_same_job(replace(checkpoint, finished_rounds=1), dict(checkpoint.job))


@pytest.mark.slow
def test_a_job_with_another_network_stops_before_the_first_round(
    two_threads: SimulatedRun, repository: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    job = export_job(
        repository / "jobs" / "fed_gin_heart",
        tmp_path / "job",
        byoc=True,
        overrides=[*(text for text in QUICK if "channels" not in text), "channels=[4,8,16]"],
    )
    file = newest_checkpoint(two_threads)
    shutil.copyfile(file, job / "app" / "config" / CHECKPOINT_FILE)
    run = simulate(
        job, tmp_path / "run", site_configs=phantom_folder, arguments=["-n", "2", "-t", "2"]
    )
    assert "the shape must be (4, " in run.output
    assert "the same network settings as the run that made the weights" in run.output
    assert "round 1: loss" not in run.output
    assert not run.last_model.exists()
