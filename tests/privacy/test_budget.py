"""What a run has spent at a site is neither forgotten nor counted twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.privacy.accounting import gaussian_epsilon
from fedgin.privacy.budget import SUFFIX, BudgetSpentError, PrivacyBudget, Spent

RUN = "a" * 32
NOISE, DELTA = 5.0, 1e-5


def charge(folder: Path, run: str = RUN, *, epsilon: float = 100.0, **more: float) -> Spent:
    """Charges as a process that has just started would."""
    return PrivacyBudget(folder).charge(
        run, noise_multiplier=NOISE, delta=DELTA, epsilon=epsilon, **more
    )


def cost(releases: int) -> float:
    return gaussian_epsilon(noise_multiplier=NOISE, releases=releases, delta=DELTA)


def test_every_process_goes_on_from_what_the_others_spent(tmp_path: Path) -> None:
    for number in range(1, 5):
        spent = charge(tmp_path)
        assert spent.releases == number
        assert spent.epsilon(delta=DELTA) == pytest.approx(cost(number), rel=1e-9)


def test_runs_have_budgets_of_their_own(tmp_path: Path) -> None:
    charge(tmp_path)
    charge(tmp_path)
    assert charge(tmp_path, "b" * 32).releases == 1
    assert PrivacyBudget(tmp_path).spent(RUN).releases == 2
    assert PrivacyBudget(tmp_path).spent_by_all().releases == 3


def test_the_release_that_would_exceed_the_budget_is_refused_and_not_charged(
    tmp_path: Path,
) -> None:
    budget = cost(3) * 1.0001
    for _ in range(3):
        charge(tmp_path, epsilon=budget)
    for _ in range(2):
        with pytest.raises(BudgetSpentError, match="this run"):
            charge(tmp_path, epsilon=budget)
    assert PrivacyBudget(tmp_path).spent(RUN).releases == 3
    assert charge(tmp_path, epsilon=cost(4) * 1.0001).releases == 4


def test_a_new_run_gives_no_new_budget_where_all_runs_have_one(tmp_path: Path) -> None:
    limit = cost(3) * 1.0001
    for run in ("1" * 32, "2" * 32, "3" * 32):
        charge(tmp_path, run, epsilon_of_all=limit)
    with pytest.raises(BudgetSpentError, match="all runs"):
        charge(tmp_path, "4" * 32, epsilon_of_all=limit)
    assert PrivacyBudget(tmp_path).spent_by_all().releases == 3


@pytest.mark.parametrize(
    "content", ["", "{}", '{"releases": 0, "loss": 0}', '{"releases": 2, "loss": NaN}', "[1]"]
)
def test_a_damaged_file_stops_every_release(tmp_path: Path, content: str) -> None:
    charge(tmp_path)
    (file,) = tmp_path.glob(f"*{SUFFIX}")
    file.write_text(content)
    with pytest.raises(ConfigError, match="what a run has spent"):
        charge(tmp_path)


def test_a_charge_that_cannot_be_written_stops_the_release(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OSError):
        charge(blocked)


def test_the_name_of_a_run_leads_nowhere_else(tmp_path: Path) -> None:
    charge(tmp_path / "budgets", "../../outside")
    assert {path.name for path in tmp_path.iterdir()} == {"budgets"}


def _charge_for_ever(folder: Path) -> None:
    while True:
        charge(folder, epsilon=1e6)


def test_processes_at_once_and_a_kill_in_between_lose_no_charge(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    killed = context.Process(target=_charge_for_ever, args=(tmp_path,))
    killed.start()
    while not list(tmp_path.glob(f"*{SUFFIX}")):
        pass
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    before = PrivacyBudget(tmp_path).spent(RUN).releases
    workers = [context.Process(target=charge_some, args=(tmp_path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert PrivacyBudget(tmp_path).spent(RUN).releases == before + 15


def charge_some(folder: Path) -> None:
    for _ in range(5):
        charge(folder, epsilon=1e6)
