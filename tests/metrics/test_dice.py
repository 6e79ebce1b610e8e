"""Dice per class against counting voxel by voxel and against MONAI."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric, compute_dice

from fedgin.metrics.dice import dice_per_class


def dice_by_counting(prediction: np.ndarray, truth: np.ndarray, n_classes: int) -> list[float]:
    found = []
    for index in range(1, n_classes):
        both = in_prediction = in_truth = 0
        for place in itertools.product(*map(range, truth.shape)):
            both += prediction[place] == index and truth[place] == index
            in_prediction += prediction[place] == index
            in_truth += truth[place] == index
        total = in_prediction + in_truth
        found.append(2 * both / total if total else math.nan)
    return found


def random_pair(number: int) -> tuple[np.ndarray, np.ndarray, int]:
    generator = np.random.default_rng(number)
    dims, n_classes = int(generator.integers(1, 4)), int(generator.integers(2, 6))
    shape = tuple(generator.integers(1, 6, size=dims))
    # Rare classes, so that empty ones occur too.
    chances = generator.dirichlet(np.full(n_classes, 0.4))
    prediction = generator.choice(n_classes, size=shape, p=chances).astype(np.uint8)
    truth = generator.choice(n_classes, size=shape, p=chances).astype(np.int32)
    return prediction, truth, n_classes


def test_dice_equals_counting_voxel_by_voxel() -> None:
    seen_nan = seen_value = 0
    for number in range(200):
        prediction, truth, n_classes = random_pair(number)
        expected = dice_by_counting(prediction, truth, n_classes)
        found = dice_per_class(prediction, truth, n_classes=n_classes)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, equal_nan=True)
        seen_nan += int(np.isnan(found).sum())
        seen_value += int(((found > 0) & (found < 1)).sum())
    assert seen_nan > 20
    assert seen_value > 100


def test_dice_agrees_with_monai_where_the_class_exists() -> None:
    n_classes = 4
    generator = np.random.default_rng(5)
    truth = generator.integers(0, n_classes, size=(6, 9, 8, 7))
    prediction = np.where(generator.random(truth.shape) < 0.4, truth, 1)
    hot_truth, hot_prediction = (
        torch.from_numpy(np.stack([array == c for c in range(n_classes)], axis=1)).float()
        for array in (truth, prediction)
    )
    functional = compute_dice(hot_prediction, hot_truth, include_background=False).numpy()
    metric = DiceMetric(include_background=False, reduction="none")
    metric(hot_prediction, hot_truth)
    found = np.stack(
        [dice_per_class(p, t, n_classes=n_classes) for p, t in zip(prediction, truth, strict=True)]
    )
    np.testing.assert_allclose(found, functional, atol=1e-6)
    np.testing.assert_allclose(found, metric.aggregate().numpy(), atol=1e-6)


def test_a_class_in_neither_volume_has_no_dice() -> None:
    empty = np.zeros((3, 4, 5), dtype=np.uint8)
    assert np.isnan(dice_per_class(empty, empty, n_classes=3)).all()


def test_a_missed_and_an_invented_class_have_zero() -> None:
    prediction, truth = np.zeros((2, 4, 5), dtype=np.uint8)
    truth[0], prediction[1] = 1, 2
    assert dice_per_class(prediction, truth, n_classes=3).tolist() == [0.0, 0.0]


def test_a_perfect_prediction_has_one() -> None:
    truth = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 4
    assert dice_per_class(truth, truth, n_classes=4).tolist() == [1.0, 1.0, 1.0]


def test_large_volumes_of_small_integers_do_not_overflow() -> None:
    truth = np.full((60, 100, 100), 5, dtype=np.uint8)
    prediction = truth.copy()
    prediction[:30] = 0
    found = dice_per_class(prediction, truth, n_classes=7)
    assert found[4] == pytest.approx(2 / 3, abs=1e-12)


def test_volumes_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 6\).*\(3, 4\)"):
        dice_per_class(np.zeros((2, 6), int), np.zeros((3, 4), int), n_classes=2)
