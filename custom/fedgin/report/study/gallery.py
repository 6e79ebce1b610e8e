"""Every figure of a study's report: how it is drawn and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedgin.study.arms import Measurements

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plan:
    """A figure to draw.

    Attributes:
        name: Name of its file, without suffix.
        title: What it shows, in a few words.
        caption: How to read it.
        alt: What a reader who cannot see it has to know.
        draw: Draws it, wide or (True) for a phone; None where there is nothing to draw.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[bool], Figure | None]


def plan_figures(
    measurements: Measurements,
    summary: Mapping[str, Any],
    *,
    runs: Sequence[Mapping[str, Any]],
    examples: Mapping[str, Any],
) -> list[Plan]:
    """Lists the figures of a study.

    Args:
        measurements: The study's rows.
        summary: The tables of `fedgin.study.summary.summarize`.
        runs: The runs of the study's record.
        examples: Arrays of the study's examples; empty where there are none.
    """
    from fedgin.report.study.figures import curves, slices

    classes = summary["classes"]
    return [
        *_table_figures(summary),
        *_box_figures(measurements, classes),
        Plan(
            "learning_curves",
            "Learning curves",
            "Training loss and validation Dice by round; each line is the mean over the runs of "
            "one augmentation (training sites and seeds). Losses of runs with a consistency term "
            "contain it.",
            "Line charts of training loss and of validation Dice by round, one row of panels per "
            "way of training, one line per augmentation.",
            lambda narrow: curves.curves_figure(runs, narrow=narrow),
        ),
        Plan(
            "examples",
            "Example slices",
            "Image, truth, and what the models trained without augmentation and with GIN predict. "
            "Anterior is up, the patient's right is on the left.",
            "For one CT and one MR slice: the image, the true contours, the contours predicted "
            "without augmentation and with GIN.",
            lambda narrow: slices.examples_figure(examples, classes, narrow=narrow),
        ),
        Plan(
            "augmentations",
            "What each augmentation does",
            "One CT and one MR slice, as a network sees them after one draw of each augmentation. "
            "Grey values of each image run from its own 0.5th to its 99.5th percentile.",
            "The same CT slice and the same MR slice after each augmentation, the original first.",
            lambda narrow: slices.strip_figure(examples, narrow=narrow),
        ),
    ]


def _table_figures(summary: Mapping[str, Any]) -> list[Plan]:
    from fedgin.report.study.figures import heatmap, means

    classes = summary["classes"]
    return [
        Plan(
            "summary",
            "Mean Dice by training and augmentation",
            "Mean over test patients with its 95 % bootstrap interval: filled circles for the "
            "seen test site of each way of training, open diamonds for hospitals that never "
            "train.",
            "Dot plot of mean Dice with 95 % intervals, one panel per way of training, one line "
            "per augmentation; the values are in the tables of all measurements.",
            lambda narrow: means.summary_figure(summary["means"], narrow=narrow),
        ),
        Plan(
            "matrix",
            "Cross-modality matrix, mean over classes",
            "Local training: mean Dice over test patients, averaged over seeds and over the "
            "training sites of the modality. Own site: held-out patients of the site that "
            "trained. Other site: the study's other site of the same modality.",
            "Heat map of mean Dice by augmentation in four panels, train modality by test "
            "modality; the values are in the table below.",
            lambda narrow: heatmap.matrix_figure(summary["matrix"], narrow=narrow),
        ),
        Plan(
            "matrix_by_class",
            "Cross-modality matrix by class",
            "Local training: mean Dice over test patients of the site that trained (same "
            "modality) and of the other modality's training sites. n/a: not annotated there.",
            "Heat map of mean Dice by augmentation and class in four panels, train modality by "
            "test modality; the values are in the tables below.",
            lambda narrow: heatmap.class_matrix_figure(summary["matrix"], classes, narrow=narrow),
        ),
        Plan(
            "ratio",
            "Federated / centralized Dice",
            "Ratio of mean Dice over the same patients with its 95 % bootstrap interval; the grey "
            "band is the paper's claim, 0.93 to 0.98.",
            "Dot plot of the ratio of federated to centralized Dice by modality and class, with "
            "GIN and without augmentation; the values are in the table below.",
            lambda narrow: means.ratio_figure(summary["ratios"], classes, narrow=narrow),
        ),
    ]


def _box_figures(measurements: Measurements, classes: Sequence[str]) -> list[Plan]:
    from fedgin.report.study.figures import boxes

    reading = (
        "Box: quartiles and median; whiskers: up to 1.5 interquartile ranges; every circle is a "
        "patient. Missed and invented structures are included with the worst value."
    )
    return [
        Plan(
            f"boxes_{metric}",
            f"{name} per organ, local training, patients of the other modality",
            reading,
            f"Box plots of {name} over patients, one panel per organ, one pair of boxes per "
            "augmentation, one for each direction between CT and MR.",
            lambda narrow, metric=metric: boxes.crossing_boxes(  # type: ignore[misc]
                measurements, classes, metric=metric, narrow=narrow
            ),
        )
        for metric, name in (("dice", "Dice"), ("hd95", "HD95 in mm"))
    ] + [
        Plan(
            "boxes_regimes",
            "Dice per organ by way of training, unseen hospitals, both modalities",
            reading,
            "Box plots of Dice over patients of unseen hospitals, one panel per organ, one pair "
            "of boxes per way of training: without augmentation and with GIN.",
            lambda narrow: boxes.regime_boxes(measurements, classes, metric="dice", narrow=narrow),
        )
    ]
