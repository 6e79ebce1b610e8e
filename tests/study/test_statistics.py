"""Paired tests and descriptions against enumeration, SciPy and examples computed by hand."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from fedgin.study.statistics import describe, holm, mean_over_seeds, wilcoxon_paired


def test_a_description_equals_the_textbook() -> None:
    # Sorted 1 2 4 7 11: quartiles at places 1 and 3, squares about 5: 16 + 9 + 1 + 4 + 36 = 66.
    found = describe([7, 1, 11, 2, 4])
    assert (found.count, found.mean, found.median, found.iqr) == (5, 5.0, 4.0, 5.0)
    assert found.sd == pytest.approx(math.sqrt(66 / 4))


def test_a_description_equals_the_standard_library() -> None:
    for size in range(2, 40):
        values = np.random.default_rng(size).normal(size=size).tolist()
        found = describe(values)
        first, median, third = statistics.quantiles(values, n=4, method="inclusive")
        assert found.mean == pytest.approx(statistics.fmean(values))
        assert found.sd == pytest.approx(statistics.stdev(values))
        assert (found.median, found.iqr) == pytest.approx((median, third - first))


def test_one_patient_has_no_spread_and_none_has_nothing() -> None:
    alone = describe([0.5])
    assert (alone.count, alone.mean, alone.median, alone.iqr) == (1, 0.5, 0.5, 0.0)
    assert math.isnan(alone.sd)
    nobody = describe([])
    assert nobody.count == 0
    assert all(math.isnan(v) for v in (nobody.mean, nobody.median, nobody.sd, nobody.iqr))


def test_seeds_are_averaged_per_patient() -> None:
    assert mean_over_seeds([[0.1, 0.3], [0.5, 0.7], [1.0, 1.0]]) == pytest.approx([0.2, 0.6, 1.0])
    for wrong in ([0.1, 0.2], [[0.1, math.nan]], np.zeros((3, 0))):
        with pytest.raises(ValueError, match="patients, seeds"):
            mean_over_seeds(wrong)


def signed_rank_by_enumeration(differences: np.ndarray) -> float:
    """Two-sided p of the signed-rank test from all 2^n assignments of signs."""
    differences = differences[differences != 0]
    if differences.size == 0:
        return 1.0
    ranks = rankdata(np.abs(differences))
    centre = ranks.sum() / 2
    found = abs(ranks[differences > 0].sum() - centre)
    signs = itertools.product((0, 1), repeat=ranks.size)
    as_far = [abs(np.dot(choice, ranks) - centre) >= found - 1e-9 for choice in signs]
    return float(np.mean(as_far))


@pytest.mark.parametrize("levels", [3, 6, 1000])
def test_p_equals_the_enumeration_of_all_signs_with_ties_and_zeros(levels: int) -> None:
    generator = np.random.default_rng(levels)
    seen = set()
    for number in range(60):
        size = 1 + number % 8
        a, b = generator.integers(0, levels, size=(2, size)) / 16
        expected = signed_rank_by_enumeration(a - b)
        assert wilcoxon_paired(a, b) == pytest.approx(expected, abs=1e-12)
        seen.add(expected)
    assert len(seen) > 8


def test_p_equals_scipys_exact_test_without_ties() -> None:
    generator = np.random.default_rng(6)
    for size in (6, 13, 24, 50):
        a, b = generator.normal(0.3, 1, size=size), generator.normal(size=size)
        expected = wilcoxon(a, b, method="exact").pvalue
        assert wilcoxon_paired(a, b) == pytest.approx(expected, rel=1e-9)


def test_p_of_many_pairs_is_scipys_approximation_and_joins_on() -> None:
    generator = np.random.default_rng(7)
    a, b = generator.normal(0.3, 1, size=51), generator.normal(size=51)
    found = wilcoxon_paired(a, b)
    assert found == pytest.approx(wilcoxon(a, b, method="asymptotic").pvalue)
    assert found == pytest.approx(wilcoxon(a, b, method="exact").pvalue, rel=0.1)


def test_six_pairs_can_be_significant_and_five_cannot() -> None:
    assert wilcoxon_paired(np.arange(1.0, 7.0), np.zeros(6)) == pytest.approx(2 / 64)
    assert wilcoxon_paired(np.arange(1.0, 6.0), np.zeros(5)) == pytest.approx(2 / 32)
    assert wilcoxon_paired([0.7], [0.2]) == 1.0


def test_pairs_without_difference_are_left_out() -> None:
    with_zeros = wilcoxon_paired([1, 2, 3, 4, 5, 6, 9, 9], [0, 0, 0, 0, 0, 0, 9, 9])
    assert with_zeros == pytest.approx(2 / 64)
    assert wilcoxon_paired([0.3, 0.4, 0.0], [0.3, 0.4, 0.0]) == 1.0
    assert wilcoxon_paired([], []) is None


def test_a_rounding_error_makes_neither_a_difference_nor_an_order() -> None:
    assert wilcoxon_paired([0.1 + 0.2], [0.3]) == 1.0
    noise = np.array([1, -1, 1, -1, 1, -1, 1, -1]) * 1e-7
    steps = np.array([1, 1, -1, 1, 2, 2, -2, 2])
    assert wilcoxon_paired(steps + noise, np.zeros(8)) == pytest.approx(
        signed_rank_by_enumeration(steps)
    )


def test_the_order_of_the_two_does_not_matter() -> None:
    a, b = np.random.default_rng(9).normal(size=(2, 12))
    assert wilcoxon_paired(a, b) == wilcoxon_paired(b, a)


def test_p_is_below_alpha_as_often_as_alpha_without_a_difference() -> None:
    generator = np.random.default_rng(10)
    p = [wilcoxon_paired(*generator.normal(size=(2, 12))) for _ in range(1000)]
    share = np.mean([value is not None and value <= 0.05 for value in p])
    assert 0.03 < share < 0.065  # exact tests do not exceed 0.05 but for chance


def test_holm_by_hand() -> None:
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04 raised to the one before.
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]


def test_holm_raises_to_the_one_before_and_caps_at_one() -> None:
    # 3 * 0.02 = 0.06, 2 * 0.025 = 0.05 -> 0.06, 0.9.
    assert holm({"x": 0.9, "y": 0.025, "z": 0.02}) == pytest.approx(
        {"x": 0.9, "y": 0.06, "z": 0.06}
    )
    assert holm({"x": 0.5, "y": 0.6}) == {"x": 1.0, "y": 1.0}
    assert holm({"only": 0.04}) == {"only": 0.04}
    assert holm({"a": 0.02, "b": 0.02}) == pytest.approx({"a": 0.04, "b": 0.04})
    assert holm({}) == {}


def test_holm_rejects_what_its_step_down_rule_rejects() -> None:
    generator = np.random.default_rng(11)
    for _ in range(100):
        p = {str(n): float(v) for n, v in enumerate(generator.random(6) ** 3 / 3)}
        rejected = set()
        for place, name in enumerate(sorted(p, key=lambda n: p[n])):
            if p[name] > 0.05 / (6 - place):
                break
            rejected.add(name)
        assert {name for name, value in holm(p).items() if value <= 0.05} == rejected


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="gin"):
        holm({"gin": p})


def test_values_that_are_not_one_number_per_patient_are_refused() -> None:
    with pytest.raises(ValueError, match=r"those at \[1\] are not"):
        describe([0.5, math.nan, 0.2])
    with pytest.raises(ValueError, match="second values must be finite"):
        wilcoxon_paired([0.5, 0.4], [0.5, math.inf])
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        describe([[0.5, 0.2]])
    with pytest.raises(ValueError, match="same patients: 2, 1"):
        wilcoxon_paired([0.5, 0.4], [0.5])
