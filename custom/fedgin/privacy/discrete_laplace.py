"""Whole-number noise for counts: the discrete Laplace distribution, drawn exactly.

Noise Y with P(Y = y) proportional to exp(-|y| epsilon / s), added to a whole number that any one
patient changes by s at most, makes it epsilon-differentially private (Ghosh, Roughgarden and
Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009, who call it the
geometric mechanism). It is drawn with whole numbers alone, after Canonne, Kamath and Steinke, "The
discrete Gaussian for differential privacy", NeurIPS 2020, algorithms 1 and 2: no rounding of
floating-point numbers gives the noise away (Mironov, CCS 2012).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from fractions import Fraction

Draw = Callable[[int], int]
"""Returns a whole number in [0, n), each as likely as the other, given n."""


def discrete_laplace(scale: Fraction, *, draw: Draw = secrets.randbelow) -> int:
    """Draws a number with probability proportional to exp(-|y| / scale).

    Args:
        scale: Sensitivity over epsilon, above 0.
        draw: Source of randomness; the operating system's outside of tests.

    Raises:
        ValueError: The scale is not above 0.
    """
    if scale <= 0:
        raise ValueError(f"the scale must be above 0; found {scale}")
    t, s = scale.numerator, scale.denominator
    while True:
        first = draw(t)
        if not _with_chance_exp(Fraction(first, t), draw):
            continue
        more = 0
        while _with_chance_exp(Fraction(1), draw):
            more += 1
        size = (first + t * more) // s
        negative = draw(2) == 1
        if not (negative and size == 0):  # 0 would else be drawn twice as often
            return -size if negative else size


def _with_chance_exp(gamma: Fraction, draw: Draw) -> bool:
    """Returns True with probability exp(-gamma), for gamma in [0, 1]."""
    count = 1
    while draw(gamma.denominator * count) < gamma.numerator:
        count += 1
    return count % 2 == 1
