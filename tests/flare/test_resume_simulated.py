"""A job that goes on from a checkpoint ends with the very model of the run that never stopped."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from fedgin.flare.checkpoints import list_checkpoints
from fedgin.jobs.export import export_job
from fedgin.jobs.resume import resume_job

from .conftest import QUICK, SimulatedRun, simulate

TOTAL, STOPPED_AFTER = 3, 1
PLAIN = ("algorithm=fedavg",)
OTHERS = (("algorithm=scaffold",), ("algorithm=fedbn", "normalization=batch"))


def weights(file: Path) -> dict[str, torch.Tensor]:
    model: dict[str, torch.Tensor] = torch.load(file, weights_only=True)["model"]
    return model


def whole_and_resumed(
    overrides: tuple[str, ...], *, repository: Path, phantoms: Path, folder: Path
) -> tuple[SimulatedRun, SimulatedRun]:
    """Runs three rounds; then the last two of them again, from the checkpoint after the first."""
    configs = folder / "configs"
    shutil.copytree(phantoms, configs)
    for file in configs.glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        content["state"] = {"folder": str(folder / "state")}
        file.write_text(yaml.safe_dump(content))
    server = {"checkpoints": str(folder / "checkpoints"), "keep": TOTAL}
    (configs / "server.yaml").write_text(yaml.safe_dump(server))
    settings = [*QUICK, f"num_rounds={TOTAL}", *overrides]
    job = export_job(
        repository / "jobs" / "fed_gin_heart", folder / "job", byoc=True, overrides=settings
    )
    threads = ["-n", "2", "-t", "2"]
    whole = simulate(job, folder / "whole", site_configs=configs, arguments=threads)
    (lineage,) = (folder / "checkpoints").iterdir()
    checkpoints = list_checkpoints(lineage)
    assert len(checkpoints) == TOTAL, whole.output
    resume_job(checkpoints[STOPPED_AFTER - 1], folder / "resumed_job", byoc=True)
    resumed = simulate(
        folder / "resumed_job", folder / "resumed", site_configs=configs, arguments=threads
    )
    # It is the same run: nothing was begun under another name, at the server or at a site.
    assert list((folder / "checkpoints").iterdir()) == [lineage]
    for site in ("site-1", "site-2"):
        assert [run.name for run in (folder / "state" / site).iterdir()] == [lineage.name]
    return whole, resumed


def assert_the_same(whole: SimulatedRun, resumed: SimulatedRun) -> None:
    first, second = weights(whole.last_model), weights(resumed.last_model)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first), resumed.output


def test_a_resumed_run_gives_the_same_bits_and_the_whole_report(
    repository: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    whole, resumed = whole_and_resumed(
        PLAIN, repository=repository, phantoms=phantom_folder, folder=tmp_path
    )
    assert_the_same(whole, resumed)
    # The order of arrival is chance.
    first, second = (
        {number: sorted(sites) for number, sites in run.report["contributions"].items()}
        for run in (whole, resumed)
    )
    assert first == second
    same = ("validation", "final", "planned_rounds", "finished_rounds", "best_round", "failures")
    for key in (*same, "modalities", "shares", "norms", "aggregation"):
        assert resumed.report[key] == whole.report[key], key
    assert resumed.report["failures"] == []
    # Only the missing rounds were trained.
    with (resumed.server / "contributions.csv").open() as file:
        rounds = {int(row["round"]) for row in csv.DictReader(file)}
    assert rounds == set(range(1, TOTAL + 1))
    assert "round 1: loss" not in resumed.output
    assert "round 2: loss" in resumed.output


@pytest.mark.slow
@pytest.mark.parametrize("overrides", OTHERS, ids=lambda settings: settings[0])
def test_what_an_algorithm_keeps_survives_too(
    overrides: tuple[str, ...], repository: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    assert_the_same(
        *whole_and_resumed(
            overrides, repository=repository, phantoms=phantom_folder, folder=tmp_path
        )
    )
