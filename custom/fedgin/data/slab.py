"""Slabs of a volume along its axial axis."""

from __future__ import annotations

import numpy as np

from fedgin.data.split import SPLITS
from fedgin.errors import DataError, Problem
from fedgin.sites.splits import SlabSplit


def slab_bounds(split: SlabSplit, name: str, n_slices: int) -> tuple[int, int]:
    """Returns the first slice of a slab and the one after its last.

    Args:
        split: The shares.
        name: "train", "validation" or "test".
        n_slices: Axial slices of the volume, from the feet.

    Raises:
        DataError: The slab would hold no slice.
    """
    bounds = np.cumsum([0.0, split.train, split.validation, split.test])
    start, stop = (round(float(b) * n_slices) for b in bounds[SPLITS.index(name) :][:2])
    if stop <= start:
        raise DataError(
            Problem(
                f"slab '{name}'",
                "a slab must hold at least one slice",
                f"none of {n_slices} slices",
                "raise its share in 'split'",
            )
        )
    return start, stop
