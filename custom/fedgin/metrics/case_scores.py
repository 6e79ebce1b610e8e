"""All metrics of one patient, class by class, each with what became of the class."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fedgin.metrics.dice import dice_per_class
from fedgin.metrics.surface import surface_per_class

Metric = Literal["dice", "hd95", "nsd"]
Status = Literal["measured", "missed", "invented", "absent", "not annotated"]
METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class ClassScore:
    """One metric of one class of one patient.

    Attributes:
        class_name: Name of the class.
        metric: "dice" and "nsd" in [0, 1], "hd95" in mm.
        value: The value; nan where the status is absent or not annotated.
        status: measured: both volumes have the class.
            missed: the truth has it, the prediction not: dice 0, nsd 0, hd95 the image diagonal.
            invented: the prediction has it, the truth not: the same values.
            absent: neither has it, there is no value.
            not annotated: the site does not annotate it, so there is no truth and no value.
    """

    class_name: str
    metric: Metric
    value: float
    status: Status


def score_case(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    class_names: Sequence[str],
    spacing: Sequence[float],
    tolerance_mm: float,
    annotated: Collection[str] | None = None,
) -> list[ClassScore]:
    """Computes Dice, HD95 and normalised surface Dice of each class of one patient.

    See `dice_per_class` and `surface_per_class` for the formulas and for the surface's definition.

    Args:
        prediction: Class indices, integer, shape (Z, Y, X).
        truth: Class indices of the same shape.
        class_names: Names of the classes 1, 2, ...; the background has none.
        spacing: Size of a voxel in mm along z, y, x.
        tolerance_mm: Tolerance of the normalised surface Dice in mm.
        annotated: Names of the classes that the patient's site annotates; None for all.

    Returns:
        Each class with each metric, classes in the given order.

    Raises:
        ValueError: The volumes do not fit each other or the classes, a name in `annotated` is no
            class, or spacing or tolerance are out of range.
    """
    unknown = set(annotated or ()) - set(class_names)
    if unknown:
        raise ValueError(f"annotated names {sorted(unknown)} are not among {list(class_names)}")
    n_classes = len(class_names) + 1
    surface = surface_per_class(
        prediction, truth, n_classes=n_classes, spacing=spacing, tolerance_mm=tolerance_mm
    )
    in_prediction = _present(prediction, n_classes, "prediction")
    in_truth = _present(truth, n_classes, "truth")
    dice = dice_per_class(prediction, truth, n_classes=n_classes)
    values = dict(zip(METRICS, (dice, surface.hd95, surface.nsd), strict=True))
    scores = []
    for index, name in enumerate(class_names):
        known = annotated is None or name in annotated
        status = _status(in_prediction[index], in_truth[index]) if known else "not annotated"
        for metric in METRICS:
            value = float(values[metric][index]) if known else math.nan
            scores.append(ClassScore(class_name=name, metric=metric, value=value, status=status))
    return scores


def _present(volume: np.ndarray, n_classes: int, name: str) -> np.ndarray:
    """Says which classes but the background a volume has."""
    low, high = int(volume.min(initial=0)), int(volume.max(initial=0))
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"{name} has class {low if low < 0 else high}, not in 0 ... {n_classes - 1}"
        )
    return np.bincount(volume.ravel(), minlength=n_classes)[1:] > 0


def _status(in_prediction: bool, in_truth: bool) -> Status:
    if in_prediction and in_truth:
        return "measured"
    if in_truth:
        return "missed"
    return "invented" if in_prediction else "absent"
