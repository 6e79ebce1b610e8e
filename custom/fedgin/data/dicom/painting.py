"""A label map that segments are painted into, each voxel once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from fedgin.errors import Problem


class Painter:
    """Takes masks slice by slice and counts where two structures claim a voxel."""

    def __init__(self, shape: tuple[int, ...], *, names: Mapping[int, str]) -> None:
        """Begins with background.

        Args:
            shape: Columns, rows, slices.
            names: Name by label value, of all that may be painted.
        """
        columns, rows, slices = shape
        dtype = np.uint8 if max(names, default=0) < 256 else np.uint16
        # The third axis slowest: a slice is one block of memory.
        self._slices = np.zeros((slices, rows, columns), dtype=dtype)
        self._names = names
        self._overlaps: Counter[tuple[int, int]] = Counter()

    def paint(self, place: int, mask: np.ndarray, value: int) -> None:
        """Gives the voxels of a mask a value.

        Args:
            place: Number of the slice.
            mask: Boolean, shape (rows, columns).
            value: The label value.
        """
        held = self._slices[place]
        taken = held[mask]
        for other in np.unique(taken[(taken != 0) & (taken != value)]):
            pair = (min(int(other), value), max(int(other), value))
            self._overlaps[pair] += int(np.count_nonzero(taken == other))
        held[mask] = value

    @property
    def array(self) -> np.ndarray:
        """The labels, shape (columns, rows, slices)."""
        return self._slices.transpose(2, 1, 0)

    def problems(self, where: str) -> list[Problem]:
        """Lists the structures that overlap."""
        rule = "a voxel must belong to one structure only"
        mend = (
            "mend the segmentation, or leave one of the two out: list its name in 'other_segments'"
        )
        return [
            Problem(
                where,
                rule,
                f"'{self._names[one]}' and '{self._names[two]}' share {count} voxels",
                mend,
            )
            for (one, two), count in sorted(self._overlaps.items())
        ]
