"""The AUC against counting all pairs, and its interval against what it must contain."""

from __future__ import annotations

import numpy as np
import pytest

from fedgin.audit.auc import auc, mean_auc_interval


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_auc_is_the_share_of_pairs_in_order(levels: int) -> None:
    generator = np.random.default_rng(levels)
    positive = generator.integers(0, levels, size=13).astype(float)
    negative = generator.integers(0, levels, size=9).astype(float)
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert auc(positive, negative) == pytest.approx(np.mean(pairs))


def test_the_ends_are_0_and_1() -> None:
    assert auc(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert auc(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 0.0


def test_exchanged_roles_make_a_guess_of_any_score_that_knows_no_members() -> None:
    first, second = np.random.default_rng(5).normal(size=(2, 8))
    assert auc(first, second) + auc(second, first) == pytest.approx(1.0)


def test_the_interval_lies_around_the_mean_and_is_the_same_for_the_same_seed() -> None:
    generator = np.random.default_rng(6)
    pairs = [(generator.normal(1, 1, 20), generator.normal(0, 1, 20)) for _ in range(2)]
    low, high = mean_auc_interval(pairs, seed=0)
    assert low < np.mean([auc(p, n) for p, n in pairs]) < high
    assert (low, high) == mean_auc_interval(pairs, seed=0)
    assert low > 0.5


def test_the_interval_of_equal_scores_is_a_point() -> None:
    same = np.ones(5)
    assert mean_auc_interval([(same, same)], seed=0) == (0.5, 0.5)
