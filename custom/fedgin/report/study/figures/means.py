"""Mean Dice with its interval by regime and augmentation; the federated / centralized ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.style import (
    BLUE,
    GREY,
    VERMILION,
    emphasise,
    new_figure,
    plain_axes,
)
from fedgin.report.study.labels import augmentation_label, class_label
from fedgin.study.arms import judged_populations
from fedgin.study.ratios import PAPER_BAND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]


def summary_figure(means: Sequence[Entry]) -> Figure | None:
    """Draws one panel per arm: augmentations down, mean Dice across, seen and unseen patients."""
    found = [e for e in means if e["metric"] == "dice" and e["modality"] == "all"]
    arms = list(dict.fromkeys((entry["arm"], entry["regime"]) for entry in found))
    if not arms:
        return None
    names = [
        list(dict.fromkeys(entry["augmentation"] for entry in found if entry["arm"] == arm))
        for arm, _ in arms
    ]
    columns = min(2, len(arms))
    rows = math.ceil(len(arms) / columns)
    heights = [max(len(n) for n in names[i * columns : (i + 1) * columns]) for i in range(rows)]
    figure = new_figure(5.0 * columns, sum(0.42 * height + 1.2 for height in heights))
    axes = figure.subplots(
        rows, columns, squeeze=False, gridspec_kw={"height_ratios": [h + 1.6 for h in heights]}
    )
    for place, ((arm, regime), shown) in enumerate(zip(arms, names, strict=True)):
        _arm_panel(
            axes[place // columns][place % columns],
            [entry for entry in found if entry["arm"] == arm],
            title=arm,
            regime=regime,
            names=shown,
        )
    for place in range(len(arms), rows * columns):
        axes[place // columns][place % columns].set_visible(False)
    return figure


def _arm_panel(
    axes: Axes, entries: Sequence[Entry], *, title: str, regime: str, names: list[str]
) -> None:
    seen, unseen = (population.name for population in judged_populations(regime))
    for population, shift, colour, marker, fill in (
        (seen, -0.17, BLUE, "o", BLUE),
        (unseen, 0.17, VERMILION, "D", "white"),
    ):
        chosen = {e["augmentation"]: e for e in entries if e["population"] == population}
        for y, name in enumerate(names):
            if entry := chosen.get(name):
                low = entry["mean"] if entry["low"] is None else entry["low"]
                high = entry["mean"] if entry["high"] is None else entry["high"]
                axes.plot([low, high], [y + shift] * 2, color=colour, linewidth=1.4)
                axes.plot(
                    entry["mean"],
                    y + shift,
                    marker=marker,
                    color=colour,
                    markerfacecolor=fill,
                    markersize=5.5,
                    linestyle="none",
                    label=population if name == next(iter(chosen)) else None,
                )
                axes.text(1.03, y + shift, f"{entry['mean']:.2f}", va="center", fontsize=7.5)
    axes.set_yticks(range(len(names)), [augmentation_label(name) for name in names])
    emphasise(axes, "gin", names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("mean Dice over patients (0 to 1), 95 % interval")
    axes.set_title(f"{title}\n", fontsize=10.5, loc="left", fontweight="bold")
    plain_axes(axes)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=2,
        fontsize=8,
        frameon=False,
        borderaxespad=0,
        columnspacing=1.0,
        handletextpad=0.2,
    )


def ratio_figure(ratios: Sequence[Entry], classes: Sequence[str]) -> Figure | None:
    """Draws federated / centralized Dice by class and modality, with the paper's band."""
    found = [
        entry
        for entry in ratios
        if entry["augmentation"] in ("none", "gin")
        and entry["algorithm"] == "fedavg"
        and entry["modality"] != "all"
        and entry["ratio"] is not None
    ]
    populations = list(dict.fromkeys(entry["population"] for entry in found))
    if not populations:
        return None
    names = ["mean", *(classes if len(classes) > 1 else ())]
    lines = [(modality, name) for modality in ("CT", "MR") for name in names]
    figure = new_figure(4.8 * len(populations), 1.7 + 0.42 * len(lines))
    axes = figure.subplots(1, len(populations), squeeze=False, sharex=True, sharey=True)
    for panel, population in zip(axes[0], populations, strict=True):
        _ratio_panel(panel, [e for e in found if e["population"] == population], lines)
        panel.set_title(population, fontsize=10.5)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _ratio_panel(axes: Axes, entries: Sequence[Entry], lines: list[tuple[str, str]]) -> None:
    low, high = PAPER_BAND
    axes.axvspan(low, high, color="#dddddd", label=f"paper's band {low:.2f} to {high:.2f}")
    axes.axvline(1.0, color=GREY, linewidth=1, linestyle="--", label="equal")
    for augmentation, shift, colour, marker, fill in (
        ("gin", -0.15, VERMILION, "o", VERMILION),
        ("none", 0.15, BLUE, "D", "white"),
    ):
        label: str | None = augmentation_label(augmentation)
        for y, (modality, name) in enumerate(lines):
            for entry in entries:
                if (entry["augmentation"], entry["modality"], entry["class"]) != (
                    augmentation,
                    modality,
                    name,
                ):
                    continue
                if entry["low"] is not None:
                    ends = [entry["low"], entry["high"]]
                    axes.plot(ends, [y + shift] * 2, color=colour, linewidth=1.4)
                axes.plot(
                    entry["ratio"],
                    y + shift,
                    marker=marker,
                    color=colour,
                    markerfacecolor=fill,
                    markersize=5.5,
                    linestyle="none",
                    label=label,
                )
                label = None
    shown = [f"{modality}, {class_label(name)}" for modality, name in lines]
    axes.set_yticks(range(len(lines)), shown)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel("federated Dice / centralized Dice, 95 % interval")
    plain_axes(axes)
