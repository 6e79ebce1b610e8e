"""The small pictures: upright for the reader, structures in their colours."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_sets import LABELS, SHAPE, make_pair, stored_as
from PIL import Image

from fedgin.check.colours import value_colours
from fedgin.check.thumbnail import PANEL, draw_thumbnail
from fedgin.data.volume import LabelledVolume, Volume

COLOURS = value_colours({value: name for name, value in LABELS.items()})


def picture(pair: LabelledVolume, colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    jpeg = draw_thumbnail(pair, colours=colours, modality="CT")
    assert len(jpeg) < 40_000
    return np.asarray(Image.open(io.BytesIO(jpeg)), dtype=int)


def centre_of(panel: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Row and column, as shares of the panel, of the pixels nearest to a colour."""
    near = abs(panel - np.array(colour)).sum(axis=2) < 60
    assert near.any()
    return np.argwhere(near).mean(axis=0) / PANEL


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRA"])
def test_the_patients_right_is_on_the_left_whatever_the_storage(codes: str) -> None:
    flat = make_pair()
    quiet = Volume(np.full(SHAPE, -500.0, dtype=np.float32), flat.image.affine)
    pair = LabelledVolume(stored_as(quiet, codes), stored_as(flat.label, codes))
    sheet = picture(pair, COLOURS)
    assert sheet.shape == (PANEL, 3 * PANEL, 3)
    axial, coronal = sheet[:, :PANEL], sheet[:, PANEL : 2 * PANEL]
    for panel in (axial, coronal):
        assert centre_of(panel, COLOURS[LABELS["liver"]])[1] < 0.5
        # The spleen lies to the patient's left: on the right.
        spleen = centre_of(panel, COLOURS[LABELS["spleen"]])
        assert spleen[1] > 0.5
    # The liver is above the kidneys' level: in the coronal slice it is up.
    assert centre_of(coronal, COLOURS[LABELS["liver"]])[0] < 0.5


def test_without_structures_or_with_another_grid_the_image_alone_is_drawn() -> None:
    pair = make_pair()
    for odd in (
        LabelledVolume(pair.image, Volume(pair.label.array[:9], pair.label.affine)),
        LabelledVolume(pair.image, Volume(np.zeros(SHAPE, np.uint8), pair.label.affine)),
    ):
        sheet = picture(odd, COLOURS)
        assert abs(sheet[..., 0] - sheet[..., 2]).max() < 8  # grey but for the JPEG's rounding
