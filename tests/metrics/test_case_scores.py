"""One patient's scores: what became of each class, and the values that belong to it."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pytest

from fedgin.metrics.case_scores import ClassScore, score_case
from fedgin.metrics.dice import dice_per_class
from fedgin.metrics.surface import surface_per_class

NAMES = ("liver", "spleen", "kidneys", "pancreas")
SPACING = (3.0, 1.0, 1.5)


def case() -> tuple[np.ndarray, np.ndarray]:
    """Liver in both, spleen only in the truth, kidneys only in the prediction, no pancreas."""
    prediction, truth = np.zeros((2, 6, 10, 12), dtype=np.uint8)
    truth[1:4, 2:6, 2:6], prediction[1:4, 3:7, 2:6] = 1, 1
    truth[4, 8, 8] = 2
    prediction[5, 1, 10:] = 3
    return prediction, truth


def score(
    prediction: np.ndarray, truth: np.ndarray, annotated: Collection[str] | None = None
) -> list[ClassScore]:
    return score_case(
        prediction,
        truth,
        class_names=NAMES,
        spacing=SPACING,
        tolerance_mm=1.0,
        annotated=annotated,
    )


def test_every_class_has_every_metric_in_order() -> None:
    found = [(s.class_name, s.metric) for s in score(*case())]
    assert found == [(name, metric) for name in NAMES for metric in ("dice", "hd95", "nsd")]


def test_status_and_value_follow_the_rule() -> None:
    found = {(s.class_name, s.metric): s for s in score(*case())}
    status = {name: {found[name, m].status for m in ("dice", "hd95", "nsd")} for name in NAMES}
    assert status == {
        "liver": {"measured"},
        "spleen": {"missed"},
        "kidneys": {"invented"},
        "pancreas": {"absent"},
    }
    # Moved by one of four rows; a whole face of 1 mm steps.
    assert found["liver", "dice"].value == pytest.approx(0.75)
    assert found["liver", "hd95"].value == pytest.approx(1.0)
    assert found["liver", "nsd"].value == 1.0
    diagonal = math.sqrt((6 * 3.0) ** 2 + 10**2 + (12 * 1.5) ** 2)
    for name in ("spleen", "kidneys"):
        assert found[name, "dice"].value == 0
        assert found[name, "hd95"].value == pytest.approx(diagonal)
        assert found[name, "nsd"].value == 0
    assert all(math.isnan(found["pancreas", metric].value) for metric in ("dice", "hd95", "nsd"))


def test_the_values_are_those_of_the_metrics() -> None:
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 5, size=(5, 8, 7))
    prediction = np.where(generator.random(truth.shape) < 0.5, truth, 0)
    found = score(prediction, truth)
    surface = surface_per_class(prediction, truth, n_classes=5, spacing=SPACING, tolerance_mm=1.0)
    dice = dice_per_class(prediction, truth, n_classes=5)
    table = np.array([s.value for s in found]).reshape(4, 3)
    np.testing.assert_array_equal(table, np.column_stack([dice, surface.hd95, surface.nsd]))
    assert all(type(s.value) is float for s in found)


def test_classes_in_both_without_overlap_are_measured_with_dice_zero() -> None:
    prediction, truth = np.zeros((2, 4, 5, 6), dtype=np.uint8)
    prediction[0, 0, 0], truth[3, 4, 5] = 1, 1
    dice, hd95, _ = score(prediction, truth)[:3]
    assert (dice.status, dice.value) == ("measured", 0.0)
    assert hd95.value == pytest.approx(math.sqrt(9.0**2 + 4**2 + 7.5**2))


def test_a_class_that_is_not_annotated_has_no_value_even_if_predicted() -> None:
    found = score(*case(), annotated=["liver", "pancreas"])
    for s in found:
        if s.class_name in ("spleen", "kidneys"):
            assert s.status == "not annotated"
            assert math.isnan(s.value)
    assert [s.status for s in found if s.metric == "dice"] == [
        "measured",
        "not annotated",
        "not annotated",
        "absent",
    ]


def test_nothing_annotated_is_not_the_same_as_no_statement() -> None:
    assert {s.status for s in score(*case(), annotated=())} == {"not annotated"}


def test_names_and_classes_that_do_not_exist_are_refused() -> None:
    prediction, truth = case()
    with pytest.raises(ValueError, match="heart"):
        score(prediction, truth, annotated=["liver", "heart"])
    prediction[0, 0, 0] = 5
    with pytest.raises(ValueError, match=r"prediction has class 5, not in 0 \.\.\. 4"):
        score(prediction, truth)
    with pytest.raises(ValueError, match="truth has class -1"):
        score(truth, truth.astype(np.int16) - 1)
