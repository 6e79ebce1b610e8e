"""Comparisons as tables: GIN against the others, federated against centralized."""

from __future__ import annotations

from collections.abc import Sequence

from fedgin.report.study.cells import (
    Entry,
    Table,
    difference_cell,
    modality_cell,
    number,
    with_interval,
)
from fedgin.report.study.labels import (
    SHORT_POPULATIONS,
    augmentation_in_words,
    augmentation_label,
    class_label,
)
from fedgin.report.study.words import band_word
from fedgin.study.directions import tested_direction
from fedgin.study.matrix import MEAN
from fedgin.study.ratios import PAPER_BAND
from fedgin.study.wording import p_text


def gain_table_text(gains: Sequence[Entry], *, by_modality: bool = False) -> Table:
    """GIN against no augmentation, mean over classes, over all patients or by their modality."""
    return Table(
        caption="GIN against no augmentation: Dice over the same patients, mean over classes"
        + (", by modality of the patients" if by_modality else ""),
        header=("training", "test patients", "modality", "n", "none", "GIN", "difference"),
        rows=tuple(
            (
                entry["arm"],
                entry["population"],
                modality_cell(entry["modality"]),
                str(entry["n"]),
                number(entry["second"]),
                number(entry["first"]),
                difference_cell(entry),
            )
            for entry in gains
            if entry["class"] == MEAN and (entry["modality"] != "all") == by_modality
        ),
        labels=3,
    )


def class_gain_table(gains: Sequence[Entry]) -> Table:
    """GIN against no augmentation by class, local training, other modality, by direction."""
    return Table(
        caption="GIN against no augmentation by class: local training, patients of the other "
        "modality",
        header=("class", "direction", "test patients", "n", "none", "GIN", "difference", "factor"),
        rows=tuple(
            (
                class_label(entry["class"]),
                f"{'MR' if entry['modality'] == 'CT' else 'CT'} \N{RIGHTWARDS ARROW} "
                f"{entry['modality']}",
                SHORT_POPULATIONS[entry["population"]],
                str(entry["n"]),
                number(entry["second"]),
                number(entry["first"]),
                difference_cell(entry),
                f"{entry['first'] / entry['second']:.2f}" if entry["second"] else "from zero",
            )
            for entry in gains
            if entry["regime"] == "local" and entry["modality"] != "all"
        ),
        labels=3,
    )


def rival_table_text(rivals: Sequence[Entry]) -> Table:
    """GIN against every other augmentation, with its tests."""
    verdicts = {1: "GIN above", -1: "GIN below", 0: "no difference shown"}
    return Table(
        caption="GIN against every other augmentation: Dice, mean over classes, Wilcoxon's "
        "signed-rank test over patients, Holm's correction within training, test patients and "
        "family",
        header=(
            "training",
            "test patients",
            "against",
            "family",
            "n",
            "GIN",
            "other",
            "difference",
            "p",
            "Holm p",
            "verdict",
        ),
        rows=tuple(
            (
                entry["arm"],
                entry["population"],
                augmentation_in_words(entry["rival"]),
                "rivals" if entry["family"] == "rival" else "GIN's variants",
                str(entry["n"]),
                number(entry["first"]),
                number(entry["second"]),
                difference_cell(entry),
                p_text(entry["p"]),
                p_text(entry["p_holm"]),
                verdicts[tested_direction(entry)],
            )
            for entry in rivals
        ),
        labels=4,
    )


def ratio_table_text(ratios: Sequence[Entry]) -> Table:
    """Federated / centralized for GIN and no augmentation."""
    low, high = PAPER_BAND
    return Table(
        caption="Federated / centralized Dice over the same patients [95 % interval]; the paper "
        f"claims {low:.2f} to {high:.2f}",
        header=(
            "training",
            "augmentation",
            "test patients",
            "modality",
            "class",
            "n",
            "federated",
            "centralized",
            "ratio",
            "paper's band",
        ),
        rows=tuple(
            (
                entry["arm"],
                augmentation_label(entry["augmentation"]),
                entry["population"],
                modality_cell(entry["modality"]),
                class_label(entry["class"]),
                str(entry["n"]),
                number(entry["first"]),
                number(entry["second"]),
                "none over zero"
                if entry["ratio"] is None
                else with_interval(f"{entry['ratio']:.3f}", entry, 3),
                band_word(entry["ratio"]),
            )
            for entry in ratios
            if entry["augmentation"] in ("none", "gin")
        ),
        labels=5,
    )
