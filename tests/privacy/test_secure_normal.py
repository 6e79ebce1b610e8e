"""Noise is standard normal, and nobody can repeat it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fedgin.privacy.secure_normal import SecureNormal

COUNT = 400_000
UNLIKELY = 1e-6


def test_the_numbers_are_standard_normal_and_independent() -> None:
    numbers = SecureNormal().standard_normal(COUNT)
    assert numbers.shape == (COUNT,)
    assert numbers.dtype == np.float64
    assert stats.kstest(numbers, "norm").pvalue > UNLIKELY
    assert abs(numbers.mean()) < 5 / np.sqrt(COUNT)
    assert abs(numbers.var() - 1) < 5 * np.sqrt(2 / COUNT)
    first, second = numbers[: COUNT // 2], numbers[COUNT // 2 :]
    for one, other in ((first, second), (numbers[:-1], numbers[1:]), (first**2, second**2)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 6 / np.sqrt(COUNT // 2)


def test_the_tails_are_there() -> None:
    numbers = np.abs(SecureNormal().standard_normal(COUNT))
    for bound in (2.0, 3.0, 4.0):
        expected = COUNT * 2 * stats.norm.sf(bound)
        assert abs((numbers > bound).sum() - expected) < 6 * np.sqrt(expected)


def test_neither_a_seed_nor_a_copy_of_numpys_state_repeats_it() -> None:
    np.random.seed(0)
    first = SecureNormal().standard_normal(8)
    np.random.seed(0)
    assert not np.isclose(first, SecureNormal().standard_normal(8)).any()


def test_one_source_never_gives_the_same_numbers_again() -> None:
    source = SecureNormal()
    assert not np.isclose(source.standard_normal(8), source.standard_normal(8)).any()


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_any_number_can_be_asked_for(size: int) -> None:
    numbers = SecureNormal().standard_normal(size)
    assert numbers.shape == (size,)
    assert np.isfinite(numbers).all()
