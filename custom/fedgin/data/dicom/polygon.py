"""Which pixels a closed contour holds."""

from __future__ import annotations

import numpy as np

DECIMALS = 3
"""Corners are taken to a thousandth of a pixel: planning systems put them on pixel centres, and
the last digits of a decimal string must not decide on which side of an edge a centre lies."""
_CHUNK_EDGES = 4096


def fill(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Fills a polygon by the even-odd rule: a pixel belongs to it where its centre does.

    A keyhole, a contour that enters a hole along a channel and leaves it along the same, comes out
    right: the channel is crossed twice. A centre on an edge belongs to the polygon on its right or
    below it, in whatever direction the edge was drawn, so that neighbours that share an edge share
    no pixel. (The point tests of common plotting libraries depend on the direction.)

    Args:
        points: Corners in order, shape (N, 2): column and row, in pixels, centres at whole numbers.
        shape: Rows and columns of the slice.

    Returns:
        Boolean, of that shape. Corners may lie beyond the slice.
    """
    mask = np.zeros(shape, dtype=bool)
    corners = np.round(points.astype(np.float64), DECIMALS)
    low = np.maximum(np.ceil(corners.min(axis=0)), 0).astype(int)
    high = np.minimum(np.floor(corners.max(axis=0)), np.array(shape)[::-1] - 1).astype(int)
    if (high >= low).all():
        mask[low[1] : high[1] + 1, low[0] : high[0] + 1] = _inside(corners - low, high - low + 1)
    return mask


def _inside(corners: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Applies the rule to the pixels of a window of so many columns and rows."""
    columns, rows = (int(edge) for edge in size)
    edges = np.concatenate([corners, np.roll(corners, -1, axis=0)], axis=1)
    upwards = edges[:, 1] > edges[:, 3]
    edges[upwards] = edges[upwards][:, [2, 3, 0, 1]]  # so that both directions round alike
    ends = np.zeros((rows, columns + 1), dtype=np.int64)
    for start in range(0, len(edges), _CHUNK_EDGES):
        _count_crossings(edges[start : start + _CHUNK_EDGES], ends)
    # A ray to the right from a centre crosses the edges that end beyond it.
    beyond = ends[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    odd: np.ndarray = beyond % 2 == 1
    return odd


def _count_crossings(edges: np.ndarray, ends: np.ndarray) -> None:
    """Counts, row by row, how many columns lie to the left of where an edge crosses the row."""
    x0, y0, x1, y1 = edges.T
    height = np.arange(len(ends))[:, None]
    row, edge = np.nonzero((y0 <= height) & (height < y1))
    x = x0[edge] + (row - y0[edge]) / (y1[edge] - y0[edge]) * (x1[edge] - x0[edge])
    np.add.at(ends, (row, np.clip(np.ceil(x), 0, ends.shape[1] - 1).astype(int)), 1)
