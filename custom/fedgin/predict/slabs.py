"""Cutting a volume into slabs of slices whose scores fit a bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fedgin.engine.sliding_window import window_starts
from fedgin.settings import ResolvedSettings

SCORE_BYTES = 2**27
"""Most that the scores of a slab should take."""
_FLOAT = 4


@dataclass(frozen=True)
class Slab:
    """Slices that are scored together.

    Attributes:
        first: First slice that the network is given.
        last: The one after the last.
        start: First slice whose scores are used; the others lack windows of the next slab.
        stop: The one after the last.
    """

    first: int
    last: int
    start: int
    stop: int

    @property
    def kept(self) -> slice:
        """The slices whose scores are used, counted from the first."""
        return slice(self.start - self.first, self.stop - self.first)


def plan_slabs(
    shape: tuple[int, int, int], settings: ResolvedSettings, *, limit: int = SCORE_BYTES
) -> Iterator[Slab]:
    """Cuts a volume so that each voxel gets the scores that it has in the whole volume.

    In 2D slices are independent; a slab holds whole passes of windows, as the whole volume does. In
    3D a slab holds whole rows of windows, and neighbours share those that both need.

    Args:
        shape: Slices, rows and columns of the prepared volume.
        settings: Settings of the model.
        limit: Most bytes of a slab's scores; what must stay together may exceed it.

    Yields:
        Slabs whose slices from `start` to `stop` are the volume's, in order.
    """
    depth, height, width = shape
    patch, overlap = settings.geometry.patch_size, settings.training.overlap
    plane = max(height, patch[-2]) * max(width, patch[-1])
    fit = max(1, limit // (_FLOAT * settings.task.n_classes * plane))
    if settings.training.spatial_dims == 3:
        yield from _rows(depth, patch[0], overlap, fit)
        return
    rows, columns = (
        len(window_starts(size, edge, overlap))
        for size, edge in zip((height, width), patch, strict=True)
    )
    batch = settings.training.window_batch
    # So many slices fill whole passes: then a pass holds the same windows as without slabs.
    unit = batch // math.gcd(batch, rows * columns)
    count = fit // unit * unit or min(unit, 4 * fit)
    for start in range(0, depth, count):
        stop = min(start + count, depth)
        yield Slab(start, stop, start, stop)


def _rows(depth: int, patch: int, overlap: float, fit: int) -> Iterator[Slab]:
    """Cuts along the slices of 3D windows."""
    starts = window_starts(depth, patch, overlap)
    done = 0
    while done < depth:
        # All windows that reach the first slice that is still to come, and as many more as fit.
        low = next(i for i, start in enumerate(starts) if start + patch > done)
        high = max(i for i, start in enumerate(starts) if start <= done)
        while high + 1 < len(starts) and starts[high + 1] + patch - starts[low] <= fit:
            high += 1
        last = high + 1 == len(starts)
        stop = depth if last else starts[high + 1]
        yield Slab(starts[low], min(starts[high] + patch, depth), done, stop)
        done = stop
