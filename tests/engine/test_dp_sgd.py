"""Private steps: who takes part, what is clipped, what noise is added, and that a site learns."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from private_site import CPU, SHAPE, counted, make_case, private_steps, small

from fedgin.data.prepare import PreparedCase
from fedgin.engine.history import read_history
from fedgin.engine.sgd_account import PrivacyBudgetError
from fedgin.engine.state import saved_rounds
from fedgin.engine.trainer import Trainer
from fedgin.engine.unit_gradients import ClippedSum
from fedgin.engine.weights import add, get_weights
from fedgin.errors import ConfigError
from fedgin.privacy.sgd_accounting import SgdSteps, sgd_epsilon

HARDLY_ANY_NOISE = 1e-6


class NoNoise:
    """A source of zeros."""

    def standard_normal(self, size: int) -> np.ndarray:
        """Returns zeros."""
        return np.zeros(size)


def flat(total: ClippedSum) -> np.ndarray:
    return np.concatenate([part.flatten().numpy() for part in total.sums])


def test_units_take_part_independently_at_the_rate() -> None:
    steps = private_steps([make_case(n) for n in range(5)], small("slice"))
    draws = 400
    taken = np.zeros((draws, 5 * SHAPE[0]))
    for row in taken:
        row[steps.draw_units()] = 1
    assert abs(taken.mean() - 0.5) < 5 * 0.5 / np.sqrt(taken.size)
    # Of a fixed number per step the sizes would not vary; of independent units they do, so much.
    variance = 0.25 * taken.shape[1]
    assert taken.sum(axis=1).var() == pytest.approx(variance, rel=6 * np.sqrt(2 / draws))
    assert np.abs(np.corrcoef(taken.T) - np.eye(taken.shape[1])).max() < 6 / np.sqrt(draws)


def test_neither_seed_nor_round_tells_who_takes_part() -> None:
    cases = [make_case(n) for n in range(5)]
    first, second = (private_steps(cases, small("slice")) for _ in range(2))
    assert [first.draw_units() for _ in range(4)] != [second.draw_units() for _ in range(4)]


@pytest.mark.parametrize(("unit", "count"), [("slice", 3 * SHAPE[0]), ("patient", 2)])
def test_what_is_added_is_normal_of_the_stated_deviation(unit: str, count: int) -> None:
    cases = [make_case(0, patient="p"), make_case(1), make_case(2, patient="p")]
    chosen = small(unit, dp_sgd={"noise_multiplier": 3.0, "sampling_rate": 1.0})
    noisy = private_steps(cases, chosen, secret=counted())
    silent = private_steps(cases, chosen, secret=counted(), noise=NoNoise())
    assert len(silent.draw_units()) == len(noisy.draw_units()) == count
    gradients = []
    for steps in (noisy, silent):
        assert steps.set_gradients() is not None
        parts = [p.grad.flatten() for p in steps._parameters]  # type: ignore[union-attr]
        gradients.append(torch.cat(parts).double().numpy())
    noise = (gradients[0] - gradients[1]) * 4  # times the batch size
    deviation = 3.0 * 0.5
    assert abs(noise.mean()) < 5 * deviation / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * noise.size))


def test_a_step_without_any_unit_is_noise_only() -> None:
    chosen = small("patient", dp_sgd={"sampling_rate": 1e-9})
    steps = private_steps([make_case(0)], chosen)
    assert steps.set_gradients() is None
    values = torch.cat([p.grad.flatten() for p in steps._parameters])  # type: ignore[union-attr]
    assert float(values.std()) == pytest.approx(0.5 / 4, rel=0.2)


def test_a_slices_gradient_in_the_sum_is_that_of_the_slice_alone() -> None:
    cases = [make_case(0), make_case(1)]
    chosen = small("slice", dp_sgd={"max_grad_norm": 0.05})
    units = [0, 3, 4, 9, 12, 15]
    together, losses = private_steps(cases, chosen, secret=counted()).clipped_sum(units)
    secret = counted()
    single = private_steps(cases, chosen, secret=secret)
    parts = [flat(single.clipped_sum([unit])[0]) for unit in units]
    assert [len(piece) for piece in losses] == [4, 2]
    assert np.allclose(flat(together), sum(parts), rtol=1e-4, atol=1e-7)
    for part in parts:
        assert np.linalg.norm(part) <= 0.05


class Patients:
    """Two patients, one of them with three cases, and sums over some of them."""

    max_norm = 0.05

    def __init__(self) -> None:
        self.settings = small(
            "patient",
            dp_sgd={"max_grad_norm": self.max_norm, "patches": 6},
            augmentation="randconv",  # three views of every patch
        )
        self.cases = [
            make_case(0, patient="several"),
            make_case(1, patient="other"),
            make_case(2, patient="several"),
            make_case(3, patient="several"),
        ]

    def sum_of(self, cases: list[PreparedCase], units: list[int]) -> np.ndarray:
        """The sum without noise over units; `other` draws alike whoever else is there."""
        steps = private_steps(cases, self.settings, secret=lambda: 7)
        return flat(steps.clipped_sum(units)[0])


@settings(max_examples=12, deadline=None)
@given(
    scale=strategies.sampled_from([0.0, 1e-3, 1.0, 30.0, 6e4, np.nan, np.inf]),
    seed=strategies.integers(0, 2**32 - 1),
    cases=strategies.integers(1, 3),
)
def test_a_patient_moves_the_sum_by_the_clip_norm_at_most_whatever_its_cases_hold(
    scale: float, seed: int, cases: int
) -> None:
    patients = Patients()
    generator = np.random.default_rng(seed)
    known, label = make_case(1, patient="other"), generator.integers(0, 2, SHAPE)
    places = np.argwhere(label)
    with np.errstate(over="ignore"):
        images = (generator.standard_normal((cases, *SHAPE)) * scale).astype(np.float16)
    strange = [
        replace(
            known,
            name=f"strange-{number}",
            patient="several",
            image=images[number],
            label=label.astype(np.uint8),
            foreground=np.column_stack([np.ones(len(places)), places]).astype(np.int32),
        )
        for number in range(cases)
    ]
    without = patients.sum_of([known], [0])
    with_patient = patients.sum_of([known, *strange], [0, 1])
    assert np.linalg.norm(with_patient - without) <= patients.max_norm * (1 + 1e-6)


def test_six_patches_of_a_patient_count_as_one_gradient() -> None:
    """Clipped patch by patch they could add up to six times the bound."""
    patients = Patients()
    alone = patients.sum_of(patients.cases, [0])
    assert np.linalg.norm(alone) == pytest.approx(patients.max_norm, rel=1e-4)


def run(
    trainer: Trainer, folder: Path, *, rounds: int, weights: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], list[float]]:
    losses = []
    for number in range(rounds):
        result = trainer.run_round(weights, state_folder=folder, round_number=number, rounds=rounds)
        weights = dict(add(weights, result.difference))
        losses.append(result.loss)
    return weights, losses


@pytest.mark.parametrize(("unit", "rate"), [("slice", 0.1), ("patient", 0.25)])
def test_with_hardly_any_noise_a_site_still_learns(unit: str, rate: float, tmp_path: Path) -> None:
    cases = [make_case(n) for n in range(4)]
    chosen = small(
        unit,
        dp_sgd={"noise_multiplier": HARDLY_ANY_NOISE, "sampling_rate": rate},
        steps_per_round=15,
        learning_rate=1e-2,
        channels=[8, 16],
        augmentation="none",
    )
    trainer = Trainer(settings=chosen, site="site-1", cases=cases, device=CPU)
    start = dict(get_weights(trainer.network))
    before = trainer.evaluate(start, cases).mean()
    weights, losses = run(trainer, tmp_path, rounds=6, weights=start)
    assert losses[-1] < 0.7 * losses[0]
    assert trainer.evaluate(weights, cases).mean() > max(0.7, before)


@pytest.mark.parametrize("algorithm", ["fedavg", "fedprox", "fedbn"])
def test_a_round_says_what_it_has_cost(algorithm: str, tmp_path: Path) -> None:
    chosen = small("slice", algorithm=algorithm, normalization="instance_affine")
    trainer = Trainer(settings=chosen, site="site-1", cases=[make_case(0)], device=CPU)
    weights = get_weights(trainer.network)
    for number in (0, 1):
        fresh = Trainer(settings=chosen, site="site-1", cases=[make_case(0)], device=CPU)
        result = fresh.run_round(weights, state_folder=tmp_path, round_number=number, rounds=2)
        assert result.privacy is not None
        expected = sgd_epsilon([SgdSteps(1.0, 0.5, 3 * (number + 1))], delta=1e-5)
        assert result.privacy.epsilon == pytest.approx(expected)


def test_the_same_round_twice_gives_other_weights(tmp_path: Path) -> None:
    results = []
    for name in ("a", "b"):
        trainer = Trainer(settings=small("slice"), site="site-1", cases=[make_case(0)], device=CPU)
        weights = get_weights(trainer.network)
        results.append(
            trainer.run_round(weights, state_folder=tmp_path / name, round_number=0, rounds=1)
        )
    first, second = (result.difference for result in results)
    assert not any(np.array_equal(first[name], second[name]) for name in first)


def test_a_round_beyond_the_budget_leaves_weights_state_and_account(tmp_path: Path) -> None:
    chosen = small("patient", dp_sgd={"epsilon_budget": 1e-3})
    trainer = Trainer(settings=chosen, site="site-1", cases=[make_case(0)], device=CPU)
    weights = get_weights(trainer.network)
    with pytest.raises(PrivacyBudgetError, match=r"epsilon_budget is 0\.001"):
        trainer.run_round(weights, state_folder=tmp_path, round_number=0, rounds=1)
    assert saved_rounds(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert read_history(tmp_path / "history.json") == {}


def test_a_delta_that_allows_to_publish_a_unit_is_refused(tmp_path: Path) -> None:
    steps = private_steps([make_case(n) for n in range(2)], small("slice", dp_sgd={"delta": 0.1}))
    with pytest.raises(ConfigError, match=r"dp_sgd\.delta.*0\.1 with 16"):
        steps.check(tmp_path, round_number=0, steps=1)


@pytest.mark.parametrize(
    ("library", "unit"),
    [("dp_accounting", "slice"), ("dp_accounting", "patient"), ("opacus", "slice")],
)
def test_a_missing_library_is_named_with_the_mend(
    library: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"{library}.*pip install opacus dp-accounting"):
        private_steps([make_case(0)], small(unit))
    if library == "opacus":
        private_steps([make_case(0)], small("patient"))
