"""Curves of how costs grow with the work, drawn with their slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedgin.bench.figures import Curve
from fedgin.report.study.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    VERMILION,
    new_figure,
    plain_axes,
    png,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = (4.6, 3.4)
"""Inches."""
LOOKS = ((VERMILION, "-", "o"), (BLUE, "--", "s"), (GREEN, ":", "D"), (ORANGE, "-.", "^"))
"""Colour, line and marker; grey paper shows the latter two."""


def draw_curves(curves: Sequence[Curve]) -> bytes:
    """Draws one panel for each kind of work and cost, both axes logarithmic.

    Args:
        curves: At least one.

    Returns:
        A PNG.
    """
    panels = list(dict.fromkeys((curve.work, curve.cost) for curve in curves))
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(PANEL[0] * columns, PANEL[1] * rows)
    places = figure.subplots(rows, columns, squeeze=False)
    for place, (work, cost) in zip(places.flat, panels, strict=False):
        chosen = [curve for curve in curves if (curve.work, curve.cost) == (work, cost)]
        _panel(place, chosen)
    for place in places.flat[len(panels) :]:
        place.set_visible(False)
    return png(figure)


def _panel(axes: Axes, curves: Sequence[Curve]) -> None:
    work, cost = curves[0].work, curves[0].cost
    for number, curve in enumerate(curves):
        colour, line, marker = LOOKS[number % len(LOOKS)]
        axes.plot(
            *zip(*curve.points, strict=True),
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=4.5,
            label=f"{curve.name}: grows as {work}^{curve.slope:.2f}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({point for curve in curves for point, _ in curve.points})
    axes.set_xticks(
        ticks, [f"{tick:.0f}" if tick < 1e6 else f"{tick / 1e6:.0f} M" for tick in ticks]
    )
    axes.minorticks_off()
    values = [value for curve in curves for _, value in curve.points]
    axes.set_ylim(min(values) / 2, max(values) * 2)
    axes.set_xlabel(work)
    axes.set_ylabel(f"a round's aggregation, {cost}")
    plain_axes(axes, grid="both")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=7.5, frameon=False)


def _short(count: float) -> str:
    return f"{count:.0f}" if count < 1e6 else f"{count / 1e6:.0f} M"
