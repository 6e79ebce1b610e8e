"""Pictures: what is drawn where, and that the PNG holds it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgin.data.prepare import PreparedCase
from fedgin.engine.picture import compose, encode_png, save_picture
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import get_weights
from fedgin.settings import make_settings

HEIGHT, WIDTH = 20, 30


def panels(picture: np.ndarray) -> list[np.ndarray]:
    """The three panels, (HEIGHT, WIDTH, 3) each, at the size of the slice."""
    assert picture.shape == (3, 2 * HEIGHT, 3 * 2 * WIDTH)
    assert picture.dtype == np.uint8
    return np.split(picture[:, ::2, ::2].transpose(1, 2, 0), 3, axis=1)


def coloured(panel: np.ndarray) -> np.ndarray:
    return panel.max(axis=2) != panel.min(axis=2)


def test_truth_and_prediction_are_coloured_where_they_are() -> None:
    image = np.random.default_rng(0).random((HEIGHT, WIDTH))
    truth, prediction = np.zeros((2, HEIGHT, WIDTH), dtype=np.uint8)
    truth[2:6, 3:9], prediction[12:18, 20:25] = 1, 2
    plain, with_truth, with_prediction = panels(compose(image, truth, prediction))
    assert not coloured(plain).any()
    assert np.array_equal(coloured(with_truth), truth[::-1, ::-1] > 0)
    assert np.array_equal(coloured(with_prediction), prediction[::-1, ::-1] > 0)
    assert np.array_equal(with_truth[~coloured(with_truth)], plain[~coloured(with_truth)])


def test_the_slice_is_seen_from_the_feet_with_the_front_on_top() -> None:
    image = np.zeros((HEIGHT, WIDTH))
    image[-3:, -3:] = 1.0  # front, right of the patient
    empty = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    plain, _, _ = panels(compose(image, empty, empty))
    assert (plain[:3, :3] == 255).all()
    assert int((plain > 0).all(axis=2).sum()) == 9


def test_classes_have_different_colours() -> None:
    truth = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for index in range(1, 7):
        truth[2 * index] = index
    _, panel, _ = panels(compose(np.zeros((HEIGHT, WIDTH)), truth, np.zeros_like(truth)))
    colours = {tuple(panel[HEIGHT - 1 - 2 * index, 0].tolist()) for index in range(1, 7)}
    assert len(colours) == 6


@pytest.mark.parametrize("value", [0.0, -3.5, 1e4])
def test_a_constant_slice_is_drawn(value: float) -> None:
    empty = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    with np.errstate(all="raise"):
        picture = compose(np.full((HEIGHT, WIDTH), value, dtype=np.float32), empty, empty)
    assert len(np.unique(picture)) == 1


def test_the_png_holds_the_picture() -> None:
    picture = np.random.default_rng(1).integers(0, 256, size=(3, 10, 14), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(picture))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), picture)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_slice_with_most_of_the_structure_is_saved(tmp_path: Path, dims: int) -> None:
    label = np.zeros((20, HEIGHT, WIDTH), dtype=np.uint8)
    label[4, 5:7, 5:7], label[13, 4:12, 4:12] = 1, 1
    case = PreparedCase(
        name="a",
        patient="a",
        site="s",
        modality="CT",
        image=np.random.default_rng(2).normal(size=label.shape).astype(np.float16),
        label=label,
        foreground=np.column_stack([np.ones(68), np.argwhere(label)]).astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )
    settings = make_settings(
        task="heart", spatial_dims=dims, channels=[4, 8], patch_size=[16, 16, 16][:dims]
    )
    trainer = Trainer(settings=settings, site="s", cases=[case], device=torch.device("cpu"))
    file = tmp_path / "pictures" / "a.png"
    picture = save_picture(trainer, get_weights(trainer.network), case, file=file)
    _, truth, _ = panels(picture)
    assert np.array_equal(coloured(truth), label[13, ::-1, ::-1] > 0)
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), picture)
    assert file.stat().st_mode & 0o077 == 0
    assert [other.name for other in file.parent.iterdir()] == ["a.png"]
