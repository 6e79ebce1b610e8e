"""Gaussian noise on an update."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping

import numpy as np


def secret_generator() -> np.random.Generator:
    """Returns a generator that nobody can repeat: 256 bits from the operating system seed it.

    A seed known to others, such as a job's, would let them subtract the noise.
    """
    return np.random.Generator(np.random.PCG64DXSM(secrets.randbits(256)))


def add_noise(
    update: Mapping[str, np.ndarray],
    *,
    standard_deviation: float,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Adds independent N(0, standard_deviation^2) noise to every value.

    The noise is drawn and added in float64 and the sum rounded to float32. The bounds of
    differential privacy are proven for real numbers; the gaps between floating-point numbers leak
    more than they say (Mironov, CCS 2012, for Laplace noise), which rounding to float32 narrows but
    does not close, and PCG64 is no cryptographic generator.

    Args:
        update: Arrays by name.
        standard_deviation: Above 0.
        generator: Source of the noise: `secret_generator()` outside of tests.

    Returns:
        New float32 arrays.

    Raises:
        ValueError: The deviation is not above 0 and finite.
    """
    if not (standard_deviation > 0 and math.isfinite(standard_deviation)):
        raise ValueError(
            f"standard_deviation must be above 0 and finite; found {standard_deviation!r}"
        )
    noisy = {}
    for name, array in update.items():
        values = np.asarray(array, np.float64)
        noise = generator.normal(0.0, standard_deviation, size=values.shape)
        noisy[name] = np.asarray(values + noise, dtype=np.float32)
    return noisy
