"""Overlays: the right slices, the right way round, outlined where something was found."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scans import turned

from fedgin.data.volume import Volume
from fedgin.predict.overlay import _panel, _places, draw_overlay

CLASSES = ("liver", "spleen")


def scan() -> tuple[Volume, np.ndarray]:
    label = np.zeros((20, 24, 12), np.uint8)
    label[12:18, 4:9, 3:6] = 1  # to the right, at the back, low
    image = np.random.default_rng(0).normal(0, 100, label.shape).astype(np.float32)
    return Volume(image, np.diag([2.0, 2.0, 5.0, 1.0])), label


def decoded(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def coloured(picture: np.ndarray) -> int:
    return int(np.count_nonzero(picture.max(axis=2) - picture.min(axis=2) > 60))


def test_slices_are_those_with_most_of_the_structures() -> None:
    _, label = scan()
    label[3, 3, 10] = 2
    x, y, z = _places(label)
    assert (x in range(12, 18), y in range(4, 9), z in range(3, 6)) == (True, True, True)
    assert _places(np.zeros((5, 6, 7), np.uint8)) == [2, 3, 3]


def test_the_patient_s_right_is_on_the_left_and_the_head_above() -> None:
    image, label = scan()
    _, axial, size = _panel(image, label, 2, 4)
    assert axial.shape == (24, 20)
    assert size == (40.0, 48.0)
    rows, columns = np.nonzero(axial)
    assert rows.min() > 12  # the back is below
    assert columns.max() < 10  # the right is on the left
    _, coronal, _ = _panel(image, label, 1, 5)
    rows, columns = np.nonzero(coronal)
    assert rows.min() > 5  # the feet are below
    assert columns.max() < 10
    _, sagittal, _ = _panel(image, label, 0, 14)
    rows, columns = np.nonzero(sagittal)
    assert rows.min() > 5
    assert columns.min() > 12  # the back is on the right


@pytest.mark.parametrize("window", [(-125.0, 275.0), None])
def test_outlines_are_drawn_where_something_was_found(window: tuple[float, float] | None) -> None:
    image, label = scan()
    affine = turned((0.1, 0.1, 0.1))
    affine[:3, 0] *= -1
    for volume in (image, Volume(image.array, affine)):
        found, nothing = (
            decoded(draw_overlay(volume, each, classes=CLASSES, window=window, title="a (CT)"))
            for each in (label, np.zeros_like(label))
        )
        assert found.shape[1] > found.shape[0]
        assert coloured(found) > coloured(nothing) + 300


def test_the_same_scan_gives_the_same_bytes() -> None:
    image, label = scan()
    pictures = {
        draw_overlay(image, label, classes=CLASSES, window=None, title="a$\\frac$ [b]")
        for _ in range(2)
    }
    assert len(pictures) == 1
