"""Learning curves: training loss and validation score by round."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.style import LOOKS, NARROW, new_figure, plain_axes
from fedgin.report.study.labels import augmentation_label
from fedgin.study.arms import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Run = Mapping[str, Any]
MARKERS = 10


def curves_figure(runs: Sequence[Run], *, narrow: bool = False) -> Figure | None:
    """Draws one row of panels per arm: loss on the left, validation on the right or below.

    A line is the mean over the runs of one augmentation (training sites and seeds) that have a
    value for that round; rounds without any are left out.
    """
    done = [run for run in runs if run["status"] == "done" and (run["loss"] or run["validation"])]
    arms = sorted({Arm(run["regime"], run["algorithm"]) for run in done}, key=lambda a: a.rank)
    if not arms:
        return None
    if narrow:
        figure = new_figure(NARROW, 4.6 * len(arms) + 1.2)
        axes = figure.subplots(2 * len(arms), 1, squeeze=False).reshape(len(arms), 2)
    else:
        figure = new_figure(8.5, 2.5 * len(arms) + 0.9)
        axes = figure.subplots(len(arms), 2, squeeze=False)
    handles: dict[str, Any] = {}
    for row, arm in zip(axes, arms, strict=True):
        chosen = [run for run in done if Arm(run["regime"], run["algorithm"]) == arm]
        for panel, key, first, label in (
            (row[0], "loss", 1, "mean training loss"),
            (row[1], "validation", 0, "validation Dice (0 to 1)"),
        ):
            handles |= _lines(panel, chosen, key=key, first=first)
            panel.set_title(arm.label, fontsize=10, loc="left", fontweight="bold")
            panel.set_xlabel("round" if key == "loss" else "finished rounds")
            panel.set_ylabel(label)
            panel.xaxis.get_major_locator().set_params(integer=True)
            if key == "loss":
                panel.set_ylim(bottom=0)
            else:
                panel.set_ylim(0, 1)
            plain_axes(panel, grid="both")
    order = [name for name in LOOKS if name in handles]
    figure.legend(
        [handles[name] for name in order],
        [augmentation_label(name) for name in order],
        loc="outside lower center",
        ncols=2 if narrow else 4,
        fontsize=8 if narrow else None,
        columnspacing=1.0 if narrow else None,
        frameon=False,
        handlelength=3.2,
    )
    return figure


def mean_curve(curves: Sequence[Sequence[float | None]]) -> list[float]:
    """Averages curves of any length place by place; nan where no curve has a value."""
    found: dict[int, list[float]] = defaultdict(list)
    for curve in curves:
        for place, value in enumerate(curve):
            if value is not None and math.isfinite(value):
                found[place].append(value)
    return [
        math.fsum(found[place]) / len(found[place]) if found[place] else math.nan
        for place in range(max(map(len, curves), default=0))
    ]


def _lines(axes: Axes, runs: Sequence[Run], *, key: str, first: int) -> dict[str, Any]:
    handles = {}
    for name, (colour, line, marker) in LOOKS.items():
        values = mean_curve([run[key] for run in runs if run["augmentation"] == name])
        points = [(x, y) for x, y in enumerate(values, start=first) if not math.isnan(y)]
        if not points:
            continue
        (handles[name],) = axes.plot(
            *zip(*points, strict=True),
            color=colour,
            linestyle=line,
            marker=marker,
            markevery=math.ceil(len(points) / MARKERS),
            markersize=7 if marker == "*" else 4.5,
            markerfacecolor=colour if name in ("none", "gin") else "white",
            linewidth=2 if name == "gin" else 1.2,
            zorder=4 if name == "gin" else 3,
        )
    return handles
