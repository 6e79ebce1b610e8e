"""Example slices with contours, and what every augmentation makes of one slice."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.contours import add_legend, draw_contours
from fedgin.report.study.figures.style import NARROW, new_figure
from fedgin.report.study.labels import augmentation_label
from fedgin.study.rows import AUGMENTATIONS, MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS = ("image", "truth", "none", "gin")
TITLES = {
    "image": "image",
    "truth": "truth",
    "none": "predicted, no augm.",
    "gin": "predicted, GIN",
}
STRIP_COLUMNS, NARROW_STRIP_COLUMNS = 4, 2
PREDICTED = ("none", "gin")
# These mix an image with another one of its batch.
MIXING = ("fourier-mix", "fda")
Arrays = Mapping[str, Any]


def examples_figure(
    arrays: Arrays, classes: Sequence[str], *, narrow: bool = False
) -> Figure | None:
    """Draws image, truth and both predictions of one slice per modality."""
    shown = [name for name in MODALITIES if f"{name}/image" in arrays]
    if not shown:
        return None
    columns = 2 if narrow else len(PARTS)
    lines = len(PARTS) // columns
    width = NARROW if narrow else 10.0
    heights = [
        lines * (width / columns * _aspect(arrays[f"{name}/image"]) + 0.2) + 0.4 for name in shown
    ]
    figure = new_figure(width, sum(heights) + 0.4)
    rows = figure.subfigures(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, modality in zip(rows, shown, strict=True):
        caption = f"{modality}: {_caption(arrays, modality)}"
        row.suptitle(textwrap.fill(caption, 52) if narrow else caption, fontsize=9.5)
        panels = row.subplots(lines, columns, squeeze=False).flat
        for axes, part in zip(panels, PARTS, strict=True):
            if part != "image" and f"{modality}/{part}" not in arrays:
                axes.set_axis_off()
                axes.set_title(TITLES[part], fontsize=9)
                _note(axes, "needs runs with\nand without GIN")
                continue
            _show(axes, arrays[f"{modality}/image"], title=TITLES[part])
            if part != "image":
                draw_contours(axes, arrays[f"{modality}/{part}"], len(classes))
            if part in PREDICTED and not arrays[f"{modality}/{part}"].any():
                _note(axes, "nothing predicted")
    add_legend(figure, classes, most=2 if narrow else 6)
    return figure


def strip_figure(arrays: Arrays, *, narrow: bool = False) -> Figure | None:
    """Draws one slice per modality after every augmentation, the original first."""
    names = [
        name
        for name in AUGMENTATIONS
        if any(f"{modality}/strip/{name}" in arrays for modality in MODALITIES)
    ]
    if not names:
        return None
    # The original is shown whether or not the study trained without augmentation.
    names = ["none", *(name for name in names if name != "none")]
    shown = [name for name in MODALITIES if f"{name}/image" in arrays]
    columns = NARROW_STRIP_COLUMNS if narrow else STRIP_COLUMNS
    size = NARROW / columns if narrow else 2.25
    blocks = [names[i : i + columns] for i in range(0, len(names), columns)]
    rows = len(shown) * len(blocks)
    aspect = max(_aspect(arrays[f"{modality}/image"]) for modality in shown)
    figure = new_figure(size * columns, rows * (size * aspect + 0.28))
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for block, chosen in enumerate(blocks):
        for row, modality in enumerate(shown):
            for column, name in enumerate(chosen):
                _strip_panel(
                    axes[len(shown) * block + row][column], arrays, modality=modality, name=name
                )
    return figure


def _strip_panel(axes: Axes, arrays: Arrays, *, modality: str, name: str) -> None:
    import numpy as np

    original = arrays[f"{modality}/image"]
    image = original if name == "none" else arrays.get(f"{modality}/strip/{name}")
    if image is None:
        return
    label = "original" if name == "none" else augmentation_label(name)
    _show(axes, image, title=f"{modality}: {label}")
    if name in MIXING and np.allclose(image, original, atol=1e-4):
        _note(axes, "needs a second image")


def _note(axes: Axes, text: str) -> None:
    """Writes over a panel what its picture cannot say."""
    axes.text(
        0.5,
        0.05,
        text,
        transform=axes.transAxes,
        ha="center",
        va="bottom",
        fontsize=8,
        bbox={"fc": "white", "ec": "black", "lw": 0.6, "pad": 2.0},
    )


def _show(axes: Axes, image: Any, *, title: str) -> None:
    import numpy as np

    # Each image has its own range of values: an augmentation leaves no unit.
    low, high = np.percentile(image, (0.5, 99.5))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _aspect(image: Any) -> float:
    """Returns height / width, kept within what a page can show."""
    height, width = image.shape
    return float(min(max(height / width, 0.4), 1.6))


def _caption(arrays: Arrays, modality: str) -> str:
    key = f"{modality}/caption"
    return str(arrays[key]) if key in arrays else "example slice"
