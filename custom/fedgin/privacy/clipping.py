"""The size of an update, and the limit on it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def update_norm(update: Mapping[str, np.ndarray]) -> float:
    """Returns the L2 norm of all values of all arrays together, computed in float64.

    Values so large that their squares overflow are scaled before they are squared.
    """
    largest = max((float(np.max(np.abs(a), initial=0.0)) for a in update.values()), default=0.0)
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    squares = (np.square(np.asarray(a, np.float64) / largest).sum() for a in update.values())
    return largest * math.sqrt(math.fsum(float(square) for square in squares))


def clip_update(
    update: Mapping[str, np.ndarray], *, max_norm: float
) -> tuple[dict[str, np.ndarray], float]:
    """Shrinks an update to a norm that it must not exceed.

    Args:
        update: Arrays by name, finite.
        max_norm: The limit of the L2 norm over all arrays, above 0.

    Returns:
        A copy, times min(1, max_norm / norm), in the arrays' own types; and the norm before.
        Rounding to float32 can leave the copy's norm above the limit by a relative 1e-7.

    Raises:
        ValueError: The limit is not above 0 and finite, or a value is not finite.
    """
    if not (max_norm > 0 and math.isfinite(max_norm)):
        raise ValueError(f"max_norm must be above 0 and finite; found {max_norm!r}")
    if not all(np.isfinite(array).all() for array in update.values()):
        raise ValueError("an update must be finite to be clipped")
    norm = update_norm(update)
    factor = 1.0 if norm <= max_norm else max_norm / norm
    clipped = {
        name: np.asarray(np.asarray(array, np.float64) * factor, dtype=np.asarray(array).dtype)
        for name, array in update.items()
    }
    return clipped, norm
