"""Sending less of an update. These are heuristics: none bounds what can be learnt from the rest.

What is held back is sent as 0, "no change": names and shapes stay the model's. Which values were
chosen depends on the data and is itself visible.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np


def percentile_sharing(
    update: Mapping[str, np.ndarray], *, percentile: float, limit: float
) -> dict[str, np.ndarray]:
    """Holds back the smallest values and limits the size of each.

    The idea is that of Shokri and Shmatikov, "Privacy-preserving deep learning", CCS 2015, without
    their noise, as in FLARE's PercentilePrivacy.

    Args:
        update: Arrays by name, finite.
        percentile: Percent of the values, the smallest in size over all arrays, that are held back;
            in [0, 100).
        limit: Largest size of a value, above 0; larger ones are cut to it.

    Returns:
        New arrays of the same types.

    Raises:
        ValueError: An argument is out of range.
    """
    if not 0 <= percentile < 100:
        raise ValueError(f"percentile must be in [0, 100); found {percentile!r}")
    if not (limit > 0 and math.isfinite(limit)):
        raise ValueError(f"limit must be above 0 and finite; found {limit!r}")
    sizes = _sizes(update)
    held_back = math.floor(sizes.size * percentile / 100)
    cut = {name: np.clip(np.asarray(array), -limit, limit) for name, array in update.items()}
    return _only(cut, _largest(sizes, sizes.size - held_back))


def top_k_sharing(update: Mapping[str, np.ndarray], *, share: float) -> dict[str, np.ndarray]:
    """Keeps the largest values over all arrays and holds the others back.

    Args:
        update: Arrays by name, finite.
        share: Part of the values that is kept, in (0, 1]; at least one value is.

    Returns:
        New arrays of the same types.

    Raises:
        ValueError: The share is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1]; found {share!r}")
    sizes = _sizes(update)
    return _only(update, _largest(sizes, max(1, math.floor(sizes.size * share))))


def partial_sharing(
    update: Mapping[str, np.ndarray], *, keep_local: re.Pattern[str]
) -> dict[str, np.ndarray]:
    """Holds back whole arrays.

    Args:
        update: Arrays by name.
        keep_local: Arrays whose whole name matches stay at the site.

    Returns:
        The other arrays, and zeros in place of these.
    """
    return {
        name: np.zeros_like(array) if keep_local.fullmatch(name) else np.array(array)
        for name, array in update.items()
    }


def _sizes(update: Mapping[str, np.ndarray]) -> np.ndarray:
    parts = [np.abs(np.ravel(np.asarray(array, np.float64))) for array in update.values()]
    return np.concatenate(parts) if parts else np.zeros(0)


def _largest(sizes: np.ndarray, number: int) -> np.ndarray:
    """Marks so many of the largest sizes, which of equal ones does not matter."""
    marked = np.zeros(sizes.size, dtype=bool)
    if number and sizes.size:
        number = min(number, sizes.size)
        marked[np.argpartition(sizes, sizes.size - number)[sizes.size - number :]] = True
    return marked


def _only(update: Mapping[str, np.ndarray], marked: np.ndarray) -> dict[str, np.ndarray]:
    """Copies the marked values, counted through all arrays, and zeros in place of the others."""
    shared, start = {}, 0
    for name, array in update.items():
        values = np.asarray(array)
        keep = marked[start : start + values.size].reshape(values.shape)
        shared[name] = np.asarray(np.where(keep, values, 0), dtype=values.dtype)
        start += values.size
    return shared
