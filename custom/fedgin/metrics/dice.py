"""Dice per patient and class."""

from __future__ import annotations

import numpy as np


def dice_per_class(prediction: np.ndarray, truth: np.ndarray, *, n_classes: int) -> np.ndarray:
    """Computes the Dice coefficient of each class over a whole volume.

    2 |P and T| / (|P| + |T|) (Dice, Ecology 1945), voxels counted over all axes.

    Args:
        prediction: Class indices, any shape, integer.
        truth: Class indices of the same shape.
        n_classes: Number of classes with the background, which is left out.

    Returns:
        Shape (n_classes - 1,), float64, in [0, 1]. A class that is in neither volume has no Dice:
        nan. A class that was missed, or invented where there is none, has 0.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    joint = np.bincount(
        (truth.astype(np.int64).ravel() * n_classes + prediction.astype(np.int64).ravel()),
        minlength=n_classes * n_classes,
    ).reshape(n_classes, n_classes)
    overlap = np.diagonal(joint)[1:].astype(np.float64)
    total = (joint.sum(axis=0) + joint.sum(axis=1))[1:].astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, 2 * overlap / np.where(total > 0, total, 1), np.nan)
