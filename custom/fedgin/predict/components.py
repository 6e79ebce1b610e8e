"""Keeping the largest piece of each structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
"""Voxels that share a face, an edge or a corner belong together."""
_CHUNK = 2**22


def keep_largest(label: np.ndarray, classes: Sequence[int]) -> dict[int, int]:
    """Removes all but the largest connected piece of each class, in place.

    What is removed becomes background. Of pieces of the same size the first in memory stays.

    Args:
        label: Shape (X, Y, Z), uint8 class indices.
        classes: The classes to clean up.

    Returns:
        Number of voxels removed, by class, for those that lost any.
    """
    removed: dict[int, int] = {}
    boxes = ndimage.find_objects(label)
    for index in classes:
        box = boxes[index - 1] if index <= len(boxes) else None
        if box is None:
            continue
        region = label[box]
        pieces, count = ndimage.label(region == index, structure=_NEIGHBOURS)
        if count < 2:
            continue
        sizes = _sizes(pieces, count)
        other = (pieces > 0) & (pieces != int(sizes.argmax()) + 1)
        region[other] = 0
        removed[index] = int(np.count_nonzero(other))
    return removed


def _sizes(pieces: np.ndarray, count: int) -> np.ndarray:
    """Counts the voxels of each piece; bincount would make 64-bit numbers of all at once."""
    sizes = np.zeros(count + 1, dtype=np.int64)
    flat = pieces.ravel(order="K")
    for start in range(0, flat.size, _CHUNK):
        sizes += np.bincount(flat[start : start + _CHUNK], minlength=count + 1)
    return sizes[1:]
