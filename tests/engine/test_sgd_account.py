"""What private training has cost survives processes, repetitions and lost folders."""

from __future__ import annotations

import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from fedgin.dp_sgd_settings import DpSgdSettings
from fedgin.engine.sgd_account import ACCOUNT_FILE, PrivacyBudgetError, PrivacySpent, SgdAccount
from fedgin.privacy.sgd_accounting import SgdSteps, sgd_epsilon

STEPS = 10


def settings(**more: Any) -> DpSgdSettings:
    values = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "sampling_rate": 0.1, **more}
    return DpSgdSettings(unit="patient", **values)


def epsilon(rounds: int) -> float:
    return sgd_epsilon([SgdSteps(1.0, 0.1, STEPS * rounds)], delta=1e-5)


def spend(folder: Path, number: int, **more: Any) -> PrivacySpent:
    return SgdAccount(folder, settings(**more)).spend(round_number=number, steps=STEPS)


def test_each_round_adds_its_steps_though_every_round_has_a_new_process(tmp_path: Path) -> None:
    for number in range(4):
        spent = spend(tmp_path / "state", number)
        assert spent.epsilon == pytest.approx(epsilon(number + 1))
        assert (spent.rounds, spent.delta, spent.unit) == (number + 1, 1e-5, "patient")
    file = tmp_path / "state" / ACCOUNT_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_repeated_round_counts_again(tmp_path: Path) -> None:
    for number in (0, 1, 1, 0):
        spent = spend(tmp_path, number)
    assert spent.rounds == 4
    assert spent.epsilon == pytest.approx(epsilon(4))


def test_rounds_that_the_account_does_not_know_count_as_trained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = SgdAccount(tmp_path, settings())
    with caplog.at_level(logging.WARNING):
        account.check(round_number=5, steps=STEPS)
    assert "0 of 5 earlier rounds" in caplog.text
    assert account.spend(round_number=5, steps=STEPS).epsilon == pytest.approx(epsilon(6))


def test_rounds_of_other_noise_are_added_as_they_were(tmp_path: Path) -> None:
    spend(tmp_path, 0)
    spent = spend(tmp_path, 1, noise_multiplier=3.0)
    expected = [SgdSteps(1.0, 0.1, STEPS), SgdSteps(3.0, 0.1, STEPS)]
    assert spent.epsilon == pytest.approx(sgd_epsilon(expected, delta=1e-5))


def test_a_round_that_would_pass_the_budget_is_refused_and_not_counted(tmp_path: Path) -> None:
    budget = (epsilon(2) + epsilon(3)) / 2
    account = SgdAccount(tmp_path, settings(epsilon_budget=budget))
    for number in range(2):
        account.check(round_number=number, steps=STEPS)
        account.spend(round_number=number, steps=STEPS)
    before = (tmp_path / ACCOUNT_FILE).read_bytes()
    with pytest.raises(PrivacyBudgetError) as caught:
        account.check(round_number=2, steps=STEPS)
    (problem,) = caught.value.problems
    assert f"{budget:g}" in problem.rule
    assert f"{epsilon(2):.4g} so far, {epsilon(3):.4g} with" in problem.found
    assert (tmp_path / ACCOUNT_FILE).read_bytes() == before


def test_a_round_number_from_far_off_is_refused_at_once(tmp_path: Path) -> None:
    account = SgdAccount(tmp_path, settings(epsilon_budget=8.0))
    with pytest.raises(PrivacyBudgetError):
        account.check(round_number=10**12, steps=STEPS)


def test_the_epsilon_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fedgin"):
        spend(tmp_path, 0)
    assert f"DP-SGD after 1 rounds: epsilon {epsilon(1):.4g} at delta 1e-05" in caplog.text
