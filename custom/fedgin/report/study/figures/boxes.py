"""Box plots of one number per patient, one panel per organ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.style import NARROW, emphasise, new_figure, plain_axes
from fedgin.report.study.labels import METRIC_LABELS, augmentation_label, class_label
from fedgin.study.arms import POPULATIONS, Measurements
from fedgin.study.comparisons import GIN, NONE
from fedgin.study.matrix import LOCAL
from fedgin.study.patients import patient_means
from fedgin.study.rows import MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Fill and hatch of the two series of a panel.
FILLS = (("#ffffff", ""), ("#9ecae1", "////"))
CROSSING = "training sites, other modality"


@dataclass(frozen=True)
class Series:
    """One box per line of a panel.

    Attributes:
        label: Its name in the legend.
        values: One number per patient, by line; a line without patients has no box.
    """

    label: str
    values: Mapping[str, Sequence[float]]


def crossing_boxes(
    measurements: Measurements, classes: Sequence[str], *, metric: str, narrow: bool = False
) -> Figure | None:
    """Draws every augmentation of local training on patients of the other modality."""
    names = measurements.augmentations(LOCAL)
    panels = []
    for class_name in classes:
        series = []
        for tested in MODALITIES:
            trained = next(name for name in MODALITIES if name != tested)
            values = {
                name: list(
                    patient_means(
                        measurements.select(
                            LOCAL,
                            name,
                            population=CROSSING,
                            metric=metric,
                            modality=tested,
                            class_name=class_name,
                        )
                    ).values()
                )
                for name in names
            }
            series.append(Series(f"trained on {trained}, tested on {tested}", values))
        panels.append((class_name, series))
    labels = {name: augmentation_label(name) for name in names}
    return _draw(panels, labels, metric=metric, narrow=narrow, bold=GIN)


def regime_boxes(
    measurements: Measurements, classes: Sequence[str], *, metric: str, narrow: bool = False
) -> Figure | None:
    """Draws GIN and no augmentation by regime, on patients of unseen hospitals."""
    arms = {arm.label: arm for arm in measurements.arms()}
    panels = []
    for class_name in classes:
        series = []
        for name in (NONE, GIN):
            values: dict[str, Sequence[float]] = {}
            for label, arm in arms.items():
                # Whatever populations of a regime are of unseen hospitals, both modalities.
                rows = [
                    row
                    for population in POPULATIONS[arm.regime]
                    if population.places == ("unseen",)
                    for row in measurements.select(
                        arm,
                        name,
                        population=population.name,
                        metric=metric,
                        class_name=class_name,
                    )
                ]
                values[label] = list(patient_means(rows).values())
            series.append(Series(augmentation_label(name), values))
        panels.append((class_name, series))
    return _draw(panels, {label: label for label in arms}, metric=metric, narrow=narrow)


def _draw(
    panels: list[tuple[str, list[Series]]],
    lines: Mapping[str, str],
    *,
    metric: str,
    narrow: bool,
    bold: str = "",
) -> Figure | None:
    panels = [
        (name, series)
        for name, series in panels
        if any(values for one in series for values in one.values.values())
    ]
    if not panels:
        return None
    columns = 1 if narrow or len(panels) == 1 else 2
    rows = math.ceil(len(panels) / columns)
    width = NARROW if narrow else 7.5 if columns == 1 else 10.0
    figure = new_figure(width, rows * (0.8 + 0.4 * len(lines)) + 0.5)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    handles: dict[str, Any] = {}
    for place, (name, series) in enumerate(panels):
        panel = axes[place // columns][place % columns]
        handles |= _panel(panel, series, list(lines))
        panel.set_title(class_label(name), fontsize=10.5)
        panel.set_xlabel(METRIC_LABELS[metric] + (" (0 to 1)" if metric != "hd95" else ""))
        panel.set_yticks(range(len(lines)), list(lines.values()))
        panel.set_ylim(len(lines) - 0.5, -0.5)
        emphasise(panel, bold, list(lines))
        panel.set_xlim((0, None) if metric == "hd95" else (-0.02, 1.02))
        plain_axes(panel)
    for place in range(len(panels), rows * columns):
        axes[place // columns][place % columns].set_visible(False)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=1 if narrow else 2,
        frameon=False,
    )
    return figure


def _panel(axes: Axes, series: Sequence[Series], lines: list[str]) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    for one, shift, (fill, hatch) in zip(series, (-0.19, 0.19), FILLS, strict=True):
        for y, line in enumerate(lines):
            values = list(one.values.get(line, ()))
            if not values:
                continue
            box = axes.boxplot(
                [values],
                positions=[y + shift],
                widths=0.32,
                orientation="horizontal",
                patch_artist=True,
                showfliers=False,
                manage_ticks=False,
                medianprops={"color": "black", "linewidth": 1.6},
                boxprops={"facecolor": fill, "hatch": hatch, "linewidth": 0.8},
            )
            axes.plot(
                values,
                [y + shift] * len(values),
                linestyle="none",
                marker="o",
                markersize=2.6,
                markerfacecolor="white",
                markeredgecolor="black",
                markeredgewidth=0.6,
                zorder=3,
            )
            handles.setdefault(one.label, box["boxes"][0])
    return handles
