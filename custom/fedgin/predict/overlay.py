"""Three slices through what was found, with its outlines: a look before anyone trusts a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedgin.data.preprocess import to_ras
from fedgin.data.volume import Volume
from fedgin.report.study.figures.contours import add_legend, draw_contours
from fedgin.report.study.figures.style import new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PLANES = (("sagittal", "A", "P"), ("coronal", "R", "L"), ("axial", "R", "L"))
"""By the axis that is cut (x, y, z): name, and what lies at the left and the right edge."""
_HEIGHT = 3.6
_SHARES = (0.5, 99.5)


def draw_overlay(
    image: Volume,
    label: np.ndarray,
    *,
    classes: Sequence[str],
    window: tuple[float, float] | None,
    title: str,
) -> bytes:
    """Draws an axial, a coronal and a sagittal slice, each where most was found.

    Args:
        image: The scan in its own order.
        label: Class indices of the same shape.
        classes: Names of the structures 1, 2, ...
        window: Lowest and highest intensity shown; None takes each slice's own range.
        title: Above the slices.

    Returns:
        PNG. The patient's right is on the left of axial and coronal slices, the front on the left
        of the sagittal one.
    """
    upright = to_ras(image)
    labels = to_ras(Volume(label, image.affine)).array
    places = _places(labels)
    panels = [_panel(upright, labels, axis, places[axis]) for axis in (2, 1, 0)]
    widths = [min(max(size[0] / size[1], 0.4), 2.5) for _, _, size in panels]
    figure = new_figure(_HEIGHT * sum(widths), _HEIGHT + 0.9)
    figure.suptitle(title, fontsize=10, parse_math=False)  # a name may hold $
    rows = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)
    for axes, axis, (shown, outlined, size) in zip(rows[0], (2, 1, 0), panels, strict=True):
        low, high = window or np.percentile(shown, _SHARES)
        pixel = (size[1] / shown.shape[0]) / (size[0] / shown.shape[1])
        axes.imshow(
            shown,
            cmap="gray",
            vmin=low,
            vmax=max(high, low + 1e-6),
            aspect=pixel,
            interpolation="nearest",
        )
        draw_contours(axes, outlined, len(classes))
        name, left, right = _PLANES[axis]
        axes.set_title(f"{name} {places[axis] + 1} of {labels.shape[axis]}", fontsize=9)
        _name_sides(axes, left, right)
        axes.set_axis_off()
    add_legend(figure, classes, most=6)
    return png(figure)


def _places(labels: np.ndarray) -> list[int]:
    """Finds along each axis the slice with most of the structures, the middle one without any."""
    counts = [np.zeros(size, dtype=np.int64) for size in labels.shape]
    for z in range(labels.shape[2]):
        found = labels[:, :, z] > 0
        counts[0] += found.sum(axis=1)
        counts[1] += found.sum(axis=0)
        counts[2][z] = found.sum()
    return [int(each.argmax()) if each.any() else len(each) // 2 for each in counts]


def _panel(
    image: Volume, labels: np.ndarray, axis: int, place: int
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Cuts a slice: intensities, labels (rows from the top), and width and height in mm."""
    across, along = (other for other in range(3) if other != axis)
    extent = np.array(labels.shape) * image.spacing
    shown, outlined = (
        # Both axes run against the page: to the patient's right or front, and upwards.
        np.asarray(array.take(place, axis=axis)).T[::-1, ::-1]
        for array in (image.array, labels)
    )
    return shown, outlined, (float(extent[across]), float(extent[along]))


def _name_sides(axes: Axes, left: str, right: str) -> None:
    for x, text, side in ((0.02, left, "left"), (0.98, right, "right")):
        axes.text(
            x,
            0.5,
            text,
            transform=axes.transAxes,
            ha=side,
            va="center",
            fontsize=9,
            bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 1.5},
        )
