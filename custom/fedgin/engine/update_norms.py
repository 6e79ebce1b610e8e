"""How large an update is, apart for what may not be added up."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

WEIGHTS, STATISTICS, COUNTS = "weights", "statistics", "counts"
GROUPS = {"running_mean": STATISTICS, "running_var": STATISTICS, "num_batches_tracked": COUNTS}


def group_of(name: str) -> str:
    """Tells what an array of a network's state is, from torch's own names of its buffers.

    Returns:
        `statistics` for a batch normalization's running mean and variance, `counts` for its count
        of batches, else `weights`.
    """
    return GROUPS.get(name.rpartition(".")[2], WEIGHTS)


def update_norms(update: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Computes the L2 norm of each group of an update's arrays, in float64.

    Weights, statistics of activations and counts of batches have different units: in one norm the
    largest would hide the others. Each array belongs to one group, so that none is left out.

    Args:
        update: Finite arrays by name; they are read one at a time.

    Returns:
        The norm by group, of the groups that occur.
    """
    squares: dict[str, list[float]] = {}
    for name in sorted(update):
        values = np.asarray(update[name], dtype=np.float64).ravel()
        squares.setdefault(group_of(name), []).append(float(values @ values))
    return {group: math.sqrt(math.fsum(parts)) for group, parts in squares.items()}
