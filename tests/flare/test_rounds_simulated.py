"""Rounds that do not go as planned, in FLARE's simulator: a slow, a mute and a failing site."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fedgin.engine.checkpoint import load_checkpoint
from fedgin.engine.history import read_history
from fedgin.engine.lineage import joined_lineage
from fedgin.engine.site_work import HISTORY_FILE
from fedgin.flare.checkpoints import list_checkpoints
from fedgin.jobs.export import export_job
from fedgin.jobs.resume import resume_job

from .conftest import QUICK, SimulatedRun, simulate

pytestmark = pytest.mark.slow

THREE = ["-c", "site-1,site-2,site-3", "-t", "3"]
MR_SITE, SLOW_SITE = "site-2", "site-3"
ROUNDS = 3


@pytest.fixture(scope="module")
def configs(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CT sites and an MR one, and a folder for the server's checkpoints."""
    folder = tmp_path_factory.mktemp("three") / "configs"
    shutil.copytree(phantom_folder, folder)
    third = yaml.safe_load((folder / "site-1.yaml").read_text())
    third["dataset"].update(protocol="native", seed=3)
    (folder / f"{SLOW_SITE}.yaml").write_text(yaml.safe_dump(third))
    server = {"checkpoints": str(folder.parent / "checkpoints"), "keep": ROUNDS}
    (folder / "server.yaml").write_text(yaml.safe_dump(server))
    return folder


def job_with(
    learner: str, arguments: dict[str, Any], *, repository: Path, folder: Path, settings: list[str]
) -> Path:
    """The heart job, small, with another Learner from the job's own custom folder."""
    source = repository / "jobs" / "fed_gin_heart"
    overrides = [*QUICK, f"num_rounds={ROUNDS}", "min_clients=2", *settings]
    job = export_job(source, folder / "job", byoc=True, overrides=overrides)
    file = job / "app" / "config" / "config_fed_client.json"
    client = json.loads(file.read_text())
    (component,) = (part for part in client["components"] if part["id"] == "learner")
    component["path"] = f"site_learners.{learner}"
    component["args"].update(arguments)
    file.write_text(json.dumps(client))
    shutil.copy(Path(__file__).with_name("site_learners.py"), job / "app" / "custom")
    return job


@pytest.fixture(scope="module")
def slow_run(
    repository: Path, configs: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """A site answers the first round when it is over, and never evaluates the final models."""
    folder = tmp_path_factory.mktemp("slow")
    closed = folder / "workspace" / "server" / "simulate_job" / "contributions.csv"
    job = job_with(
        "SlowLearner",
        {"site": SLOW_SITE, "closed": str(closed)},
        repository=repository,
        folder=folder,
        settings=[
            "wait_time_after_min_received=10",
            "validation_timeout=30",
            "weighting=cases",
            "max_weight_share=0.4",
        ],
    )
    return simulate(job, folder, site_configs=configs, arguments=THREE)


@pytest.fixture(scope="module")
def stopped_run(
    repository: Path, configs: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """The only MR site fails in the second round."""
    folder = tmp_path_factory.mktemp("stopped")
    job = job_with(
        "FailingLearner", {"site": MR_SITE}, repository=repository, folder=folder, settings=[]
    )
    return simulate(job, folder, site_configs=configs, arguments=THREE)


@pytest.mark.slow
def test_scaffold_bears_an_error_too_and_stops_for_want_of_a_quorum(
    repository: Path, configs: Path, tmp_path: Path
) -> None:
    job = job_with(
        "FailingLearner",
        {"site": MR_SITE},
        repository=repository,
        folder=tmp_path,
        settings=["algorithm=scaffold"],
    )
    run = simulate(job, tmp_path, site_configs=configs, arguments=THREE)
    assert run.report["problems"] == ["the job was stopped: round 2: 0 of 1 MR sites"]
    assert run.report["finished_rounds"] == 1
    assert "Traceback" not in run.output


def contributions(run: SimulatedRun) -> dict[tuple[int, str], dict[str, str]]:
    with (run.server / "contributions.csv").open(newline="") as file:
        return {(int(row["round"]), row["site"]): row for row in csv.DictReader(file)}


def test_a_round_closes_without_a_slow_site_which_is_back_later(slow_run: SimulatedRun) -> None:
    table = contributions(slow_run)
    assert set(table) == {(n, f"site-{k}") for n in range(1, ROUNDS + 1) for k in (1, 2, 3)}
    first = table[1, SLOW_SITE]
    assert (first["contribution"], first["weight"]) == ("late", ""), slow_run.output[-3000:]
    assert first["reason"].startswith("round 1 was over before it answered; back in round ")
    later = [n for n in range(2, ROUNDS + 1) if table[n, SLOW_SITE]["contribution"] == "accepted"]
    assert later
    # It went on from the optimizer state of the round that nobody waited for.
    site = slow_run.workspace / SLOW_SITE / "simulate_job"
    assert {0, *(n - 1 for n in later)} <= read_history(site / HISTORY_FILE).keys()
    assert "starts without optimizer state" not in slow_run.output
    for number in range(1, ROUNDS + 1):
        for site in ("site-1", MR_SITE):
            assert table[number, site]["contribution"] == "accepted"


def test_the_table_says_what_each_update_counted(slow_run: SimulatedRun) -> None:
    table = contributions(slow_run)
    for number in range(1, ROUNDS + 1):
        rows = [row for (n, _), row in table.items() if n == number]
        weights = [float(row["weight"]) for row in rows if row["contribution"] == "accepted"]
        # Two cases each; two sites cannot keep to 0.4 and count alike.
        assert weights == pytest.approx([1 / len(weights)] * len(weights), abs=1e-6)
    assert "more than 0.4 of the weight, but there are only 2: all count alike" in slow_run.output


def test_the_evaluation_ends_without_a_mute_site_and_is_whole_for_the_others(
    slow_run: SimulatedRun,
) -> None:
    report = slow_run.report
    assert report["finished_rounds"] == ROUNDS
    for model in ("best", "last"):
        assert set(report["final"][model]) == {"site-1", MR_SITE}
        assert f"{model} model: no evaluation by {SLOW_SITE}" in report["failures"]
    assert [words for words in report["failures"] if "no evaluation" not in words] == [
        f"round 1: no contribution from {SLOW_SITE}",
        *(
            f"round {n}: no contribution from {SLOW_SITE}"
            for n in range(2, ROUNDS + 1)
            if contributions(slow_run)[n, SLOW_SITE]["contribution"] != "accepted"
        ),
        # It may still be busy with the evaluation when the model is delivered.
        *(
            f"released model: no receipt from {SLOW_SITE}"
            for _ in range(SLOW_SITE not in report["receipts"])
        ),
    ]
    results = json.loads((slow_run.server / "cross_site_val/cross_val_results.json").read_text())
    for site in ("site-1", MR_SITE):
        assert 0 <= results[site]["SRV_FL_global_model.pt"]["test"]["dice"] <= 1


def test_a_round_without_an_mr_site_stops_the_job_with_the_reason(
    stopped_run: SimulatedRun,
) -> None:
    report = stopped_run.report
    assert report["problems"] == ["the job was stopped: round 2: 0 of 1 MR sites"]
    assert report["problems"][0] in report["failures"]
    assert report["finished_rounds"] == 1
    row = contributions(stopped_run)[2, MR_SITE]
    assert row["contribution"] == "refused"
    assert row["reason"] == f"{MR_SITE} answered EXECUTION_EXCEPTION"
    for site in ("site-1", SLOW_SITE):
        row = contributions(stopped_run)[2, site]
        assert (row["contribution"], row["weight"]) == ("accepted", "")  # of no average
    assert "averaged ['site-1', 'site-2', 'site-3']" in stopped_run.output
    assert "averaged ['site-1', 'site-3']" not in stopped_run.output
    assert "Traceback" not in stopped_run.output


def test_the_checkpoint_of_the_round_before_is_kept_and_can_be_resumed(
    stopped_run: SimulatedRun, configs: Path, tmp_path: Path
) -> None:
    lineage = joined_lineage(stopped_run.workspace / "site-1" / "simulate_job")
    assert lineage is not None
    (file,) = list_checkpoints(configs.parent / "checkpoints" / lineage)
    checkpoint = load_checkpoint(file)
    assert checkpoint.finished_rounds == 1
    assert checkpoint.record["modalities"] == {"site-1": "CT", MR_SITE: "MR", SLOW_SITE: "CT"}
    # The model on the server is that of round 1 too: nothing of round 2 went in.
    last = torch.load(stopped_run.last_model, weights_only=True)["model"]
    assert all(
        torch.equal(last[name], torch.from_numpy(array))
        for name, array in checkpoint.weights.items()
    )
    # The best model so far was chosen by CT and MR, not by the CT sites of round 2.
    assert stopped_run.report["best_round"] == 0
    resume_job(file, tmp_path / "resumed", byoc=True)
