"""CT, MR or neither, by intensities."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fedgin.data.nifti import read_nifti
from fedgin.data.phantom import phantom_case
from fedgin.data.phantom.case import PROTOCOLS
from fedgin.errors import DataError
from fedgin.predict.modality import Modality, Recognition, decide_modality, recognise
from real_data import real_data_folder

KINDS = [
    (modality, protocol, task)
    for modality, names in PROTOCOLS.items()
    for protocol, task in zip(names, ("heart", "abdomen", "heart"), strict=True)
]


@pytest.mark.parametrize(("modality", "protocol", "task"), KINDS)
def test_phantoms_of_every_protocol_are_told(modality: str, protocol: str, task: str) -> None:
    case = phantom_case(task=task, modality=modality, protocol=protocol, seed=5, index=0)
    assert recognise(case.image.array).modality == modality


def test_real_scans_are_told() -> None:
    folder = real_data_folder()
    if folder is None:
        pytest.skip("no real volumes here")
    for entry in json.loads((folder / "manifest.json").read_text()):
        image = read_nifti(folder / entry["image"], kind="image").array
        assert recognise(image).modality == entry["modality"], entry["image"]


def body(air: float) -> np.ndarray:
    """Soft tissue of a CT, with a share of air."""
    generator = np.random.default_rng(0)
    values = generator.normal(40, 25, (40, 40, 20))
    values[generator.random(values.shape) < 0.2] -= 140  # fat
    return np.where(generator.random(values.shape) < air, -1000, values).round()


def magnitude() -> np.ndarray:
    return np.random.default_rng(1).gamma(2, 150, (40, 40, 20))


@pytest.mark.parametrize(
    ("array", "modality"),
    [
        (body(0.5), "CT"),
        (body(0.01), "CT"),
        (body(0.0), None),  # nothing but negative and positive values: no HU to hold on to
        (body(0.5) + 1024, None),  # a CT without its intercept
        (magnitude(), "MR"),
        (magnitude().astype(np.float32) / 1e6, "MR"),
        ((magnitude() - 300) / 212, "MR"),  # scaled to mean 0 and deviation 1
        (magnitude() - 5, "MR"),  # a filter's undershoot
        (magnitude() * 20 - 900, "MR"),  # the same on a scale of 16 bits
        (np.random.default_rng(2).integers(0, 5, (40, 40, 20)), None),  # a label map
        (magnitude() - 5000, None),
        (magnitude() * 1e4 - 2e6, None),
    ],
)
def test_what_is_like_neither_is_not_guessed(array: np.ndarray, modality: str | None) -> None:
    assert recognise(array.astype(np.float32)).modality == modality


def test_a_few_odd_voxels_make_no_ct_of_an_mr() -> None:
    array = magnitude()
    array[0, 0, :3] = -400
    assert recognise(array).modality == "MR"


@pytest.mark.parametrize(
    ("given", "header", "seen", "expected"),
    [
        ("CT", None, "MR", ("CT", "given")),
        (None, "MR", "CT", ("MR", "header")),
        (None, None, "MR", ("MR", "recognised")),
        ("MR", "OT", None, ("MR", "given")),
        ("CT", "CT", None, ("CT", "given")),
    ],
)
def test_what_is_stated_counts_before_what_is_seen(
    given: Modality | None, header: str | None, seen: Modality | None, expected: tuple[str, str]
) -> None:
    recognition = Recognition(seen, "why")
    assert expected == decide_modality(
        given=given, header=header, recognition=recognition, where="a"
    )


@pytest.mark.parametrize(
    ("given", "header", "seen", "words"),
    [
        (None, None, None, "why"),
        (None, "PT", "MR", "'PT' in the header"),
        ("CT", "MR", "MR", "--modality CT, header MR"),
    ],
)
def test_a_modality_that_cannot_be_told_is_refused(
    given: Modality | None, header: str | None, seen: Modality | None, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        decide_modality(given=given, header=header, recognition=Recognition(seen, "why"), where="a")
