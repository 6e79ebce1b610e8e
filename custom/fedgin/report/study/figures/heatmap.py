"""The cross-modality matrix as heat maps: one panel per train and test modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedgin.report.study.figures.style import (
    COLOUR_MAP,
    FONT_SIZE,
    NARROW,
    emphasise,
    new_figure,
    readable_on,
)
from fedgin.report.study.labels import SHORT_POPULATIONS, augmentation_label, class_label
from fedgin.study.matrix import COLUMNS, MEAN
from fedgin.study.rows import MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WITHOUT_VALUE = {"not annotated": "n/a", "absent": "absent", "not measured": ""}
# More columns than this need smaller numbers on a phone.
SMALL_PRINT = 4
Entry = Mapping[str, Any]


def matrix_figure(matrix: Sequence[Entry], *, narrow: bool = False) -> Figure | None:
    """Draws the mean over classes by augmentation and test population."""
    return _panels(
        [entry for entry in matrix if entry["class"] == MEAN],
        columns={crossing: list(names) for crossing, names in COLUMNS.items()},
        key="population",
        labels={name: text.replace(" ", "\n") for name, text in SHORT_POPULATIONS.items()},
        narrow=narrow,
    )


def class_matrix_figure(
    matrix: Sequence[Entry], classes: Sequence[str], *, narrow: bool = False
) -> Figure | None:
    """Draws every class, on patients of the training sites; None where there is only one class."""
    if len(classes) < 2:
        return None
    seen = {names[0] for names in COLUMNS.values()}
    names = [MEAN, *classes]
    return _panels(
        [entry for entry in matrix if entry["population"] in seen],
        columns={False: names, True: names},
        key="class",
        labels={name: "mean" if name == MEAN else class_label(name) for name in names},
        narrow=narrow,
        slant=True,
    )


def _panels(
    entries: Sequence[Entry],
    *,
    columns: Mapping[bool, list[str]],
    key: str,
    labels: Mapping[str, str],
    narrow: bool,
    slant: bool = False,
) -> Figure | None:
    rows = list(dict.fromkeys(entry["augmentation"] for entry in entries))
    if not rows:
        return None
    widest = max(len(names) for names in columns.values())
    if narrow:
        figure = new_figure(NARROW, 4 * ((1.0 if slant else 0.8) + 0.3 * len(rows)) + 0.6)
        axes = figure.subplots(4, 1, squeeze=False).reshape(2, 2)
    else:
        figure = new_figure(max(8.0, 3.4 + 1.3 * widest), 2.4 + 0.62 * len(rows))
        axes = figure.subplots(2, 2, squeeze=False)
    for row, trained in enumerate(MODALITIES):
        for column, tested in enumerate(MODALITIES):
            panel = axes[row][column]
            names = columns[trained != tested]
            _draw(
                panel,
                {
                    (entry["augmentation"], entry[key]): entry
                    for entry in entries
                    if (entry["train_modality"], entry["test_modality"]) == (trained, tested)
                },
                rows=rows,
                columns=names,
                font_size=7 if narrow and widest > SMALL_PRINT else FONT_SIZE,
            )
            panel.set_title(f"trained on {trained}, tested on {tested}", fontsize=10)
            panel.set_xticks(
                range(len(names)),
                [labels[name] for name in names],
                rotation=40 if slant else 0,
                ha="right" if slant else "center",
                rotation_mode="anchor" if slant else None,
            )
            named = narrow or column == 0
            shown = [augmentation_label(name) if named else "" for name in rows]
            panel.set_yticks(range(len(rows)), shown)
            emphasise(panel, "gin", rows)
    if narrow:
        bar = figure.colorbar(
            axes[0][0].images[0], ax=axes, location="bottom", fraction=0.02, aspect=30
        )
    else:
        bar = figure.colorbar(axes[0][0].images[0], ax=axes, fraction=0.025, pad=0.015)
    bar.set_label("mean Dice over patients (0 to 1)")
    return figure


def _draw(
    axes: Axes,
    cells: Mapping[tuple[str, str], Entry],
    *,
    rows: list[str],
    columns: list[str],
    font_size: float,
) -> None:
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    values = np.full((len(rows), len(columns)), np.nan)
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            entry = cells.get((row, column))
            if entry is not None and entry["mean"] is not None:
                values[y, x] = entry["mean"]
                text = f"{entry['mean']:.2f}"
                colour = readable_on(list(colormaps[COLOUR_MAP](entry["mean"])))
            else:
                text = WITHOUT_VALUE[entry["status"]] if entry else "not run"
                colour = "black"
                axes.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, fc="white", ec="#999999", hatch="///", lw=0)
                )
            weight = "bold" if row == "gin" else "normal"
            box = {"fc": "white", "ec": "none", "pad": 0.8} if np.isnan(values[y, x]) else None
            axes.text(
                x,
                y,
                text,
                ha="center",
                va="center",
                color=colour,
                weight=weight,
                bbox=box,
                fontsize=font_size,
            )
    axes.imshow(values, cmap=COLOUR_MAP, vmin=0, vmax=1, aspect="auto")
    axes.set_xticks([x - 0.5 for x in range(1, len(columns))], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, len(rows))], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)
