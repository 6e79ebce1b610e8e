"""Outlines of structures over an image, told apart by colour-blind readers and in grey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.style import CLASS_COLOURS
from fedgin.report.study.labels import class_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = ("-", "--", ":")


def draw_contours(axes: Axes, labels: Any, n_classes: int) -> None:
    """Outlines the structures of a slice.

    Args:
        axes: Where the slice is shown.
        labels: Shape of the slice, class indices.
        n_classes: Number of structures, without the background.
    """
    import numpy as np

    for label in range(1, n_classes + 1):
        mask = np.asarray(labels) == label
        if mask.any() and not mask.all():
            colour, line = _look(label)
            # A dark line below keeps the contour visible on bright tissue and on paper.
            axes.contour(mask, levels=[0.5], colors="black", linewidths=2.6)
            axes.contour(mask, levels=[0.5], colors=colour, linewidths=1.4, linestyles=line)


def add_legend(figure: Figure, classes: Sequence[str], *, most: int) -> None:
    """Names the structures' lines below a figure, at most so many in a row."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke

    handles = []
    for label, name in enumerate(classes, 1):
        colour, line = _look(label)
        handle = Line2D([], [], color=colour, linewidth=2, label=class_label(name))
        handle.set(linestyle=line)
        handle.set_path_effects([Stroke(linewidth=3.4, foreground="black"), Normal()])
        handles.append(handle)
    columns = math.ceil(len(handles) / math.ceil(len(handles) / most))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)


def _look(label: int) -> tuple[str, str]:
    place = label - 1
    colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
    return colour, LINES[place % len(LINES)]
