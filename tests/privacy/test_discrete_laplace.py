"""The discrete Laplace distribution, against its formula."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import pytest
from scipy import stats

from fedgin.privacy.discrete_laplace import discrete_laplace

DRAWS = 20_000


def probability(value: int, scale: float) -> float:
    """P(Y = y) = (1 - a) / (1 + a) a^|y| with a = exp(-1 / scale)."""
    a = math.exp(-1 / scale)
    return (1 - a) / (1 + a) * a ** abs(value)


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(1), Fraction(7, 3)])
def test_its_frequencies_are_those_of_the_formula(scale: Fraction) -> None:
    draw = random.Random(7).randrange
    found = Counter(discrete_laplace(scale, draw=draw) for _ in range(DRAWS))
    values = [v for v in range(-30, 31) if DRAWS * probability(v, float(scale)) >= 5]
    expected = [DRAWS * probability(v, float(scale)) for v in values]
    observed = [found[v] for v in values]
    rest = DRAWS - sum(observed)
    assert stats.chisquare([*observed, rest], [*expected, DRAWS - sum(expected)]).pvalue > 0.001


def test_large_scales_are_drawn_whole() -> None:
    draw = random.Random(8).randrange
    scale = Fraction(10**9, 4)
    values = [discrete_laplace(scale, draw=draw) for _ in range(4000)]
    assert all(type(value) is int for value in values)
    mean_size = sum(map(abs, values)) / len(values)
    assert mean_size == pytest.approx(float(scale), rel=0.06)
    assert abs(sum(values)) / len(values) < 0.06 * float(scale)


def test_by_default_nobody_can_repeat_it() -> None:
    first, second = ([discrete_laplace(Fraction(1000)) for _ in range(9)] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("scale", [Fraction(0), Fraction(-1)])
def test_a_scale_must_be_above_0(scale: Fraction) -> None:
    with pytest.raises(ValueError, match="above 0"):
        discrete_laplace(scale)
