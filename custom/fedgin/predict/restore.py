"""From class probabilities on the task's grid to labels on the grid of the input.

Orientation is undone without any arithmetic: the label map is made in the input's own order, and
written to through a view with the axes that the network had. Spacing is undone by linear
interpolation of the probabilities, of which each voxel of the input takes the most probable class;
so the outline is smooth where the task's voxels are larger, and no class is invented between two
others, as it would be between label values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedgin.data.preprocess import to_ras
from fedgin.data.volume import Volume

BLOCK_BYTES = 2**26
"""Most that the interpolated probabilities of some slices should take."""
_FLOAT = 4


@dataclass(frozen=True)
class AxisMap:
    """Where the voxels of an axis lie between those of a coarser or finer one.

    Attributes:
        low: The neighbour below, by voxel of the input.
        high: The neighbour above, or the same one at the ends.
        share: Weight of `high`, in [0, 1].
    """

    low: np.ndarray
    high: np.ndarray
    share: np.ndarray

    def inside(self, first: int, last: int) -> tuple[int, int]:
        """Returns the range of the input's voxels that have a neighbour from first to last."""
        touched = np.flatnonzero((self.high >= first) & (self.low <= last))
        return int(touched[0]), int(touched[-1]) + 1


def map_axis(task_size: int, input_size: int) -> AxisMap:
    """Maps an axis of the input onto the task's: the outer faces of both are the same.

    It is the inverse of `fedgin.data.preprocess.resample`: voxel k of n has its centre at
    (k + 0.5) / n of the axis.
    """
    place = (np.arange(input_size) + 0.5) * (task_size / input_size) - 0.5
    place = np.clip(place, 0, task_size - 1)
    low = np.floor(place).astype(np.int64)
    return AxisMap(
        low=low,
        high=np.minimum(low + 1, task_size - 1),
        share=(place - low).astype(np.float32),
    )


class LabelRestorer:
    """Takes probabilities slab by slab, and fills a label map on the input's grid."""

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        affine: np.ndarray,
        task_shape: tuple[int, ...],
        block: int = BLOCK_BYTES,
    ) -> None:
        """Makes an empty label map.

        Args:
            shape: Voxels of the input along its own axes.
            affine: The input's affine.
            task_shape: Slices, rows and columns of the task's grid.
            block: Most bytes of interpolated probabilities at a time; a slice may exceed it.
        """
        self.label = np.zeros(shape, dtype=np.uint8, order="F")
        # A view of the same voxels, with axes to the right, to the front and to the head.
        self._upright = to_ras(Volume(self.label, affine)).array
        if not np.shares_memory(self._upright, self.label):
            raise RuntimeError("reorienting copied the label map")
        width, height, depth = self._upright.shape
        self._z, self._y, self._x = (
            map_axis(size, whole)
            for size, whole in zip(task_shape, (depth, height, width), strict=True)
        )
        self._depth = task_shape[0]
        self._block = block
        self._next = 0
        self._carried: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def add(self, start: int, probabilities: Tensor, classes: Tensor) -> None:
        """Takes the next slices of the task's grid.

        Args:
            start: Number of the first; they come in order, and none twice.
            probabilities: Shape (n, classes, Y, X), floating.
            classes: Shape (n, Y, X): their most probable class.
        """
        stop = start + len(probabilities)
        first = start
        if self._carried is not None:
            # Voxels of the input may lie between the last slice and this one.
            probabilities = torch.cat([self._carried[0], probabilities])
            classes = torch.cat([self._carried[1], classes])
            first -= 1
        self._carried = (probabilities[-1:].clone(), classes[-1:].clone())
        ready = int(np.searchsorted(self._z.high, stop))
        found = classes > 0
        while self._next < ready:
            end = min(ready, self._next + self._slices_at_a_time(probabilities))
            self._fill(slice(self._next, end), first, probabilities, found)
            self._next = end

    @property
    def complete(self) -> bool:
        """Whether every slice was filled."""
        return self._next == len(self._z.low)

    def _slices_at_a_time(self, probabilities: Tensor) -> int:
        plane = max(len(self._y.low) * len(self._x.low), probabilities[0, 0].numel())
        return max(1, self._block // (_FLOAT * probabilities.shape[1] * plane))

    def _fill(self, part: slice, first: int, probabilities: Tensor, found: Tensor) -> None:
        low, high = self._z.low[part] - first, self._z.high[part] - first
        # Between voxels that are all background there is nothing else: interpolated probabilities
        # are a mean of theirs.
        box = _bounds(found[int(low[0]) : int(high[-1]) + 1])
        if box is None:
            return
        rows, columns = self._y.inside(*box[0]), self._x.inside(*box[1])
        values = _between(probabilities, 0, low, high, self._z.share[part])
        for axis, mapping, (begin, end) in ((2, self._y, rows), (3, self._x, columns)):
            cut = slice(begin, end)
            values = _between(values, axis, mapping.low[cut], mapping.high[cut], mapping.share[cut])
        classes = values.max(dim=1).indices.to(torch.uint8).cpu().numpy()
        self._upright[slice(*columns), slice(*rows), part] = classes.transpose(2, 1, 0)


def _between(
    values: Tensor, axis: int, low: np.ndarray, high: np.ndarray, share: np.ndarray
) -> Tensor:
    """Interpolates along an axis."""
    shape = [1] * values.dim()
    shape[axis] = -1
    below = values.index_select(axis, torch.from_numpy(low).to(values.device))
    if not share.any():
        return below
    above = values.index_select(axis, torch.from_numpy(high).to(values.device))
    weight = torch.from_numpy(share).to(values.device, values.dtype).reshape(shape)
    return below.lerp_(above, weight)


def _bounds(found: Tensor) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Returns first and last row and column with anything found."""
    rows = torch.nonzero(found.any(dim=2).any(dim=0)).flatten()
    columns = torch.nonzero(found.any(dim=1).any(dim=0)).flatten()
    if not len(rows):
        return None
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))
