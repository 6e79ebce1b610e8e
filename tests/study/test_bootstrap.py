"""Bootstrap intervals against SciPy's, all resamples of few patients, and known coverage."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fedgin.study.bootstrap import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
)


def ends(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


def patients(seed: int, count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Dice of two models on the same patients, who are easy or hard for both."""
    generator = np.random.default_rng(seed)
    hard = generator.uniform(0, 0.3, size=count)
    first, second = 0.9 - hard - generator.uniform(0, 0.1, size=(2, count))
    return first, second - 0.03


def test_the_mean_agrees_with_scipys_percentile_bootstrap() -> None:
    values, _ = patients(1)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, method="percentile", rng=5
    ).confidence_interval
    found = ends(bootstrap_mean(values, seed=0, resamples=50_000))
    assert found == pytest.approx((expected.low, expected.high), abs=0.02 * np.ptp(found))
    at_80 = bootstrap_mean(values, seed=0, level=0.8)
    assert at_80 is not None
    assert at_80.level == 0.8
    assert found[0] < at_80.low < values.mean() < at_80.high < found[1]


def test_the_mean_agrees_with_all_resamples_of_five_patients() -> None:
    values = np.array([0.1, 0.5, 0.6, 0.85, 0.9])
    means = [np.mean(draw) for draw in itertools.product(values, repeat=5)]
    expected = np.quantile(means, (0.025, 0.975))
    found = ends(bootstrap_mean(values, seed=2, resamples=100_000))
    assert found == pytest.approx(expected, abs=0.01)


def test_difference_and_ratio_agree_with_scipys_paired_bootstrap() -> None:
    first, second = patients(2)
    for own, statistic in (
        (bootstrap_difference, lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis)),
        (bootstrap_ratio, lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis)),
    ):
        expected = stats.bootstrap(
            (first, second),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=50_000,
            method="percentile",
            rng=6,
        ).confidence_interval
        found = ends(own(first, second, seed=0, resamples=50_000))
        assert found == pytest.approx((expected.low, expected.high), abs=0.03 * np.ptp(found))


def test_pairing_makes_the_interval_narrower() -> None:
    first, second = patients(3)
    shuffled = np.random.default_rng(0).permutation(second)
    paired = np.ptp(ends(bootstrap_difference(first, second, seed=0)))
    assert paired < 0.6 * np.ptp(ends(bootstrap_difference(first, shuffled, seed=0)))
    paired = np.ptp(ends(bootstrap_ratio(first, second, seed=0)))
    assert paired < 0.6 * np.ptp(ends(bootstrap_ratio(first, shuffled, seed=0)))


def test_a_constant_ratio_has_an_interval_of_no_width() -> None:
    _, denominator = patients(4)
    assert ends(bootstrap_ratio(0.95 * denominator, denominator, seed=0)) == pytest.approx(
        (0.95, 0.95)
    )


def covered(count: int, simulations: int = 600) -> float:
    generator = np.random.default_rng(count)
    hits = 0
    for number in range(simulations):
        low, high = ends(
            bootstrap_mean(generator.normal(0.6, 0.1, size=count), seed=number, resamples=1000)
        )
        hits += low <= 0.6 <= high
    return hits / simulations


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    assert 0.90 < covered(30) < 0.975
    # Few patients: too short, and its docstring says by how much.
    assert 0.80 < covered(6) < 0.90


def test_the_interval_of_a_ratio_covers_the_true_ratio() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for number in range(400):
        below = generator.uniform(0.5, 0.9, size=24)
        above = 0.95 * below + generator.normal(0, 0.05, size=24)
        low, high = ends(bootstrap_ratio(above, below, seed=number, resamples=1000))
        hits += low <= 0.95 <= high
    assert 0.88 < hits / 400 < 0.98


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    first, second = patients(5)
    for found in (
        lambda seed: bootstrap_mean(first, seed=seed),
        lambda seed: bootstrap_difference(first, second, seed=seed),
        lambda seed: bootstrap_ratio(first, second, seed=seed),
    ):
        assert found(1) == found(1)
        assert found(1) != found(2)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_patients_have_no_interval(values: list[float]) -> None:
    assert bootstrap_mean(values, seed=0) is None
    assert bootstrap_difference(values, values, seed=0) is None
    assert bootstrap_ratio(values, values, seed=0) is None


def test_a_denominator_that_is_often_zero_has_no_interval() -> None:
    assert bootstrap_ratio([0.1, 0.2, 0.1], [0, 0, 0], seed=0) is None
    # 5/6 to the sixth of the resamples, a third, have a denominator of zero.
    assert bootstrap_ratio([0.1] * 6, [0, 0, 0, 0, 0, 0.5], seed=0) is None


def test_a_denominator_that_is_hardly_ever_zero_keeps_its_interval() -> None:
    # One of 46 656 resamples has none but the first patient.
    numerator, denominator = [0.5] * 6, [0.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    low, high = ends(bootstrap_ratio(numerator, denominator, seed=0, resamples=300_000))
    assert (low, high) == pytest.approx((1.0, 2.0))


def test_values_and_arguments_out_of_range_are_refused() -> None:
    good = [0.2, 0.4, 0.6]
    with pytest.raises(ValueError, match=r"those at \[2\]"):
        bootstrap_mean([0.2, 0.4, math.nan], seed=0)
    with pytest.raises(ValueError, match="same patients: 3, 2"):
        bootstrap_difference(good, good[:2], seed=0)
    with pytest.raises(ValueError, match="second values must be finite"):
        bootstrap_ratio(good, [0.2, math.inf, 0.3], seed=0)
    with pytest.raises(ValueError, match="at least 0 in numerator"):
        bootstrap_ratio(good, [0.2, -0.1, 0.3], seed=0)
    with pytest.raises(ValueError, match="per patient"):
        bootstrap_mean([good, good], seed=0)
    with pytest.raises(ValueError, match="resamples 0"):
        bootstrap_mean(good, seed=0, resamples=0)
    for level in (0.0, 1.0, 95):
        with pytest.raises(ValueError, match="level"):
            bootstrap_mean(good, seed=0, level=level)
