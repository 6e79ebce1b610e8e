"""Half the bytes: an update in float16 on its way, float32 again where it is used.

float16 has 11 significant bits, its smallest normal number is 2^-14 and its subnormal ones are
2^-24 apart, so that rounding to nearest changes a value x with |x| <= 65504 by at most

    max(2^-11 |x|, 2^-25).

Widening is exact. Larger values would become infinite: they are set to +-65504 and counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LARGEST_HALF = 65504.0
RELATIVE_ERROR, ABSOLUTE_ERROR = 2.0**-11, 2.0**-25


def to_half(update: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], int]:
    """Rounds floating-point arrays to float16.

    Args:
        update: Finite arrays of floating-point numbers by name.

    Returns:
        The float16 arrays, and the number of values that were cut to +-65504.

    Raises:
        ValueError: An array holds no floating-point numbers, or a value is not finite.
    """
    halves, cut = {}, 0
    for name, array in update.items():
        values = np.asarray(array)
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise ValueError("only finite floating-point arrays are sent as float16")
        cut += int(np.count_nonzero(np.abs(values) > LARGEST_HALF))
        halves[name] = np.asarray(np.clip(values, -LARGEST_HALF, LARGEST_HALF), dtype=np.float16)
    return halves, cut


def widen_halves(update: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Returns an update whose float16 arrays are float32; all others stay as they are."""
    return {
        name: array.astype(np.float32)
        if isinstance(array, np.ndarray) and array.dtype == np.float16
        else array
        for name, array in update.items()
    }
