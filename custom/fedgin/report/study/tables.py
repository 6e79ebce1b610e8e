"""Measurements as tables: the matrix, means, structures by status, seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fedgin.report.study.cells import Entry, Table, mean_cell, number
from fedgin.report.study.labels import SHORT_POPULATIONS, augmentation_label, class_label
from fedgin.study.matrix import MEAN
from fedgin.study.wording import SPACE


def matrix_tables(matrix: Sequence[Entry]) -> list[Table]:
    """One table per class and train modality, the mean over classes first.

    Augmentations stand down, test populations across: the other modality's beside the own one's.
    """
    tables = []
    for name in dict.fromkeys(entry["class"] for entry in matrix):
        for trained in dict.fromkeys(entry["train_modality"] for entry in matrix):
            entries = [e for e in matrix if (e["class"], e["train_modality"]) == (name, trained)]
            if entries:
                tables.append(_matrix_table(entries, name=name, trained=trained))
    return tables


def _matrix_table(entries: Sequence[Entry], *, name: str, trained: str) -> Table:
    columns = dict.fromkeys(_tested(entry) for entry in entries)
    header = tuple(
        f"{tested}, {SHORT_POPULATIONS[population]} "
        f"({_patients(e for e in entries if _tested(e) == (tested, population))})"
        for tested, population in columns
    )
    rows = []
    for augmentation in dict.fromkeys(entry["augmentation"] for entry in entries):
        cells = {_tested(e): e for e in entries if e["augmentation"] == augmentation}
        rows.append(
            (
                augmentation_label(augmentation),
                *(mean_cell(cells.get(column)) for column in columns),
            )
        )
    title = "mean over classes" if name == MEAN else class_label(name)
    return Table(
        caption=f"Dice, {title}, trained on {trained}: mean over patients [95 % interval]; "
        "columns: tested on",
        header=("augmentation", *header),
        rows=tuple(rows),
    )


def mean_tables(means: Sequence[Entry]) -> list[Table]:
    """One table per arm: every metric by population and augmentation."""
    tables = []
    every = [entry for entry in means if entry["modality"] == "all"]
    for arm in dict.fromkeys(entry["arm"] for entry in every):
        found: dict[tuple[str, str], dict[str, Entry]] = {}
        for entry in every:
            if entry["arm"] == arm:
                key = (entry["population"], entry["augmentation"])
                found.setdefault(key, {})[entry["metric"]] = entry
        rows = []
        for (population, augmentation), by_metric in found.items():
            dice, hd95, nsd = (by_metric.get(metric) for metric in ("dice", "hd95", "nsd"))
            first = next(entry for entry in (dice, hd95, nsd) if entry is not None)
            rows.append(
                (
                    population,
                    augmentation_label(augmentation),
                    str(first["n"]),
                    mean_cell(dice),
                    number(dice["median"] if dice else None),
                    number(dice["sd"] if dice else None),
                    mean_cell(hd95, digits=1),
                    mean_cell(nsd),
                )
            )
        tables.append(
            Table(
                caption=f"{arm}: mean over patients [95 % interval], both modalities",
                header=(
                    "test patients",
                    "augmentation",
                    "n",
                    "Dice",
                    "median Dice",
                    "sd of Dice",
                    "HD95 (mm)",
                    "surface Dice",
                ),
                rows=tuple(rows),
                labels=2,
            )
        )
    return tables


def count_table_text(counts: Sequence[Entry]) -> Table:
    """Structures by what became of them."""
    return Table(
        caption="Structures (one per run, patient and class) by what became of them",
        header=(
            "training",
            "test patients",
            "augmentation",
            "structures",
            "measured",
            "missed",
            "invented",
            "absent",
            "not annotated",
        ),
        rows=tuple(
            (
                entry["arm"],
                entry["population"],
                augmentation_label(entry["augmentation"]),
                *(
                    str(entry[key])
                    for key in (
                        "structures",
                        "measured",
                        "missed",
                        "invented",
                        "absent",
                        "not_annotated",
                    )
                ),
            )
            for entry in counts
        ),
        labels=3,
    )


def seed_table_text(per_seed: Sequence[Entry]) -> Table:
    """Mean Dice of every seed and its spread."""
    seeds = sorted({seed for entry in per_seed for seed in entry["per_seed"]}, key=int)
    return Table(
        caption="Mean Dice by seed, and its standard deviation over seeds",
        header=(
            "training",
            "test patients",
            "augmentation",
            *(f"seed {seed}" for seed in seeds),
            "mean",
            "sd",
        ),
        rows=tuple(
            (
                entry["arm"],
                entry["population"],
                augmentation_label(entry["augmentation"]),
                *(number(entry["per_seed"].get(seed)) for seed in seeds),
                number(entry["mean"]),
                "one seed" if entry["sd"] is None else f"{entry['sd']:.4f}",
            )
            for entry in per_seed
        ),
        labels=3,
    )


def _tested(entry: Entry) -> tuple[str, str]:
    return entry["test_modality"], entry["population"]


def _patients(entries: Iterable[Entry]) -> str:
    counts = sorted({entry["n"] for entry in entries})
    return f"n{SPACE}={SPACE}{counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "")
