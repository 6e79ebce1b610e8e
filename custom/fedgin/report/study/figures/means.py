"""Mean Dice with its interval by regime and augmentation; the federated / centralized ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.style import (
    BLUE,
    GREY,
    NARROW,
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


def summary_figure(means: Sequence[Entry], *, narrow: bool = False) -> Figure | None:
    """Draws one panel per arm: augmentations down, mean Dice across, seen and unseen patients."""
    found = [e for e in means if e["metric"] == "dice" and e["modality"] == "all"]
    arms = list(dict.fromkeys((entry["arm"], entry["regime"]) for entry in found))
    if not arms:
        return None
    names = [
        list(dict.fromkeys(entry["augmentation"] for entry in found if entry["arm"] == arm))
        for arm, _ in arms
    ]
    columns = 1 if narrow else min(2, len(arms))
    rows = math.ceil(len(arms) / columns)
    heights = [max(len(n) for n in names[i * columns : (i + 1) * columns]) for i in range(rows)]
    figure = new_figure(
        NARROW if narrow else 5.0 * columns,
        sum(0.42 * height + (1.4 if narrow else 1.2) for height in heights),
    )
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
            narrow=narrow,
        )
    for place in range(len(arms), rows * columns):
        axes[place // columns][place % columns].set_visible(False)
    return figure


def _arm_panel(
    axes: Axes,
    entries: Sequence[Entry],
    *,
    title: str,
    regime: str,
    names: list[str],
    narrow: bool,
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
    axes.set_xlabel(f"mean Dice {'' if narrow else 'over patients '}(0 to 1), 95 % interval")
    plain_axes(axes)
    # The legend lies between title and panel, one line per entry where there is no room for two.
    axes.set_title(title + ("\n\n" if narrow else "\n"), fontsize=10.5, loc="left", weight="bold")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=1 if narrow else 2,
            fontsize=8,
            frameon=False,
            borderaxespad=0,
            columnspacing=1.0,
            handletextpad=0.2,
        )


def ratio_figure(
    ratios: Sequence[Entry], classes: Sequence[str], *, narrow: bool = False
) -> Figure | None:
    """Draws federated / centralized Dice by class and modality, with the paper's band.

    One panel per federated arm and population.
    """
    found = [
        entry
        for entry in ratios
        if entry["augmentation"] in ("none", "gin")
        and entry["modality"] != "all"
        and entry["ratio"] is not None
    ]
    places = list(dict.fromkeys((entry["arm"], entry["population"]) for entry in found))
    if not places:
        return None
    names = ["mean", *(classes if len(classes) > 1 else ())]
    lines = [(modality, name) for modality in ("CT", "MR") for name in names]
    columns = 1 if narrow else min(2, len(places))
    rows = math.ceil(len(places) / columns)
    figure = new_figure(NARROW if narrow else 4.8 * columns, 0.7 + rows * (1.0 + 0.42 * len(lines)))
    axes = figure.subplots(rows, columns, squeeze=False, sharex=not narrow, sharey=True)
    entries: dict[str, Any] = {}
    for panel, (arm, population) in zip(axes.flat, places, strict=False):
        here = [e for e in found if (e["arm"], e["population"]) == (arm, population)]
        _ratio_panel(panel, here, lines, narrow=narrow)
        panel.set_title(f"{arm}: {population}", fontsize=10.5)
        handles, labels = panel.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    for panel in axes.flat[len(places) :]:
        panel.set_visible(False)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=2 if narrow else 4,
        frameon=False,
    )
    return figure


def _ratio_panel(
    axes: Axes, entries: Sequence[Entry], lines: list[tuple[str, str]], *, narrow: bool
) -> None:
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
    separator = "\n" if narrow else ", "
    shown = [f"{modality}{separator}{class_label(name)}" for modality, name in lines]
    axes.set_yticks(range(len(lines)), shown)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel(f"federated / centralized{'' if narrow else ' Dice, 95 % interval'}")
    plain_axes(axes)
