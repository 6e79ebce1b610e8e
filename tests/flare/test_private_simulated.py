"""Private training end to end: what a site notes, and what it does when its budget is spent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fedgin.engine.history import read_history
from fedgin.engine.sgd_account import ACCOUNT_FILE
from fedgin.jobs.export import export_job
from fedgin.privacy.sgd_accounting import SgdSteps, sgd_epsilon

from .conftest import QUICK, SimulatedRun, simulate

STEPS = 4
SITES = ("site-1", "site-2")
pytestmark = pytest.mark.slow


def epsilon(rounds: int) -> float:
    return sgd_epsilon([SgdSteps(1.0, 0.5, STEPS * rounds)], delta=1e-5)


@pytest.fixture(scope="module")
def run(
    repository: Path, phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """Two rounds of which the budget allows one."""
    folder = tmp_path_factory.mktemp("private")
    budget = (epsilon(1) + epsilon(2)) / 2
    private = {
        "noise_multiplier": 1.0,
        "max_grad_norm": 1.0,
        "sampling_rate": 0.5,
        "unit": "patient",
        "epsilon_budget": budget,
    }
    job = export_job(
        repository / "jobs" / "fed_gin_heart",
        folder / "job",
        byoc=True,
        overrides=[
            *QUICK,
            "num_rounds=2",
            *(f"dp_sgd.{key}={json.dumps(value)}" for key, value in private.items()),
        ],
    )
    arguments = ["-n", "2", "-t", "2"]
    return simulate(job, folder / "run", site_configs=phantom_folder, arguments=arguments)


@pytest.mark.parametrize("site", SITES)
def test_a_site_notes_the_epsilon_of_each_round(run: SimulatedRun, site: str) -> None:
    folder = run.workspace / site / "simulate_job"
    history = read_history(folder / "history.json")
    assert list(history) == [0], run.output[-3000:]
    assert history[0]["sgd_epsilon"] == pytest.approx(epsilon(1))
    account = json.loads((folder / "state" / ACCOUNT_FILE).read_text())
    assert account["rounds"] == 1


def test_the_epsilon_is_in_the_sites_log(run: SimulatedRun) -> None:
    said = re.findall(r"DP-SGD after 1 rounds: epsilon (\S+) at delta 1e-05", run.output)
    assert said == [f"{epsilon(1):.4g}"] * 2


def test_a_round_beyond_the_budget_is_refused_with_its_reason(run: SimulatedRun) -> None:
    # The first refusal ends the run: the round lacks a modality.
    assert re.search(r"refused: round 1: dp_sgd\.epsilon_budget is", run.output)
    contributions = run.report["contributions"]
    assert sorted(number for number, sites in contributions.items() if sites) == ["0"]
