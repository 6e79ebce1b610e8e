"""Anatomy of the phantoms: sizes, positions, and independence of the scanner."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from fedgin.data.phantom import PHANTOM_LABELS, phantom_case
from fedgin.data.volume import LabelledVolume

CASES = range(10)

# Ranges of adults in ml. Chambers: Kawel-Boehm et al. 2015 and Maceira et al. 2010, 2013 with
# their spread; liver: Heinemann 1999; spleen: Prassopoulos 1997; kidneys: Emamian 1993;
# pancreas: Saisho 2007; gallbladder: fasting.
VOLUMES = {
    "heart": {
        "left_ventricle": (60, 260),
        "right_ventricle": (60, 300),
        "left_atrium": (30, 170),
        "right_atrium": (35, 190),
        "myocardium": (75, 280),
    },
    "abdomen": {
        "liver": (900, 2300),
        "spleen": (80, 450),
        "kidney_right": (90, 260),
        "kidney_left": (90, 260),
        "pancreas": (35, 140),
        "gallbladder": (10, 80),
    },
}


@cache
def native(task: str, index: int) -> LabelledVolume:
    return phantom_case(task=task, modality="CT", protocol="native", seed=7, index=index)


def world(case: LabelledVolume, mask: np.ndarray) -> np.ndarray:
    """RAS+ coordinates in mm of the voxels of a mask, shape (N, 3)."""
    affine = case.label.affine
    return np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]


def centre(case: LabelledVolume, task: str, name: str) -> np.ndarray:
    return world(case, case.label.array == PHANTOM_LABELS[task][name]).mean(0)


@pytest.mark.parametrize("task", ["heart", "abdomen"])
@pytest.mark.parametrize("index", CASES)
def test_every_organ_has_an_adult_volume(task: str, index: int) -> None:
    case = native(task, index)
    voxel = float(np.prod(case.label.spacing)) / 1000
    for name, (low, high) in VOLUMES[task].items():
        volume = voxel * np.count_nonzero(case.label.array == PHANTOM_LABELS[task][name])
        assert low <= volume <= high, (name, volume)
    assert set(np.unique(case.label.array)) == {0, *PHANTOM_LABELS[task].values()}


@pytest.mark.parametrize("index", CASES)
def test_whole_heart_is_one_piece_of_adult_size_inside_the_volume(index: int) -> None:
    case = native("heart", index)
    whole = case.label.array > 0
    volume = float(np.prod(case.label.spacing)) / 1000 * whole.sum()
    assert 400 <= volume <= 1200
    pieces, _ = ndimage.label(whole)
    assert np.bincount(pieces.ravel())[1:].max() >= 0.99 * whole.sum()
    inner = tuple(slice(1, -1) for _ in range(3))
    assert whole[inner].sum() == whole.sum()


def test_anatomies_differ() -> None:
    volumes = [np.count_nonzero(native("heart", k).label.array) for k in CASES]
    assert np.std(volumes) > 0.08 * np.mean(volumes)


@pytest.mark.parametrize("index", CASES)
def test_abdominal_organs_lie_on_their_sides(index: int) -> None:
    case = native("abdomen", index)
    place = {name: centre(case, "abdomen", name) for name in PHANTOM_LABELS["abdomen"]}
    assert place["kidney_right"][0] > place["kidney_left"][0] + 60
    assert place["liver"][0] > place["spleen"][0] + 60
    assert place["gallbladder"][0] > 10
    assert place["spleen"][1] < place["liver"][1]
    assert place["kidney_left"][1] < place["pancreas"][1]
    assert place["kidney_right"][2] < place["liver"][2]


@pytest.mark.parametrize("index", CASES)
def test_heart_points_to_the_left_and_the_spine_lies_behind(index: int) -> None:
    case = native("heart", index)
    ids = PHANTOM_LABELS["heart"]
    ventricle = world(case, case.label.array == ids["left_ventricle"])
    atrium = centre(case, "heart", "left_atrium")
    apex = ventricle[np.argmax(np.linalg.norm(ventricle - atrium, axis=1))]
    assert apex[0] < atrium[0] - 25
    assert apex[1] > atrium[1] + 20
    assert apex[2] < atrium[2] - 15
    assert centre(case, "heart", "right_atrium")[0] > atrium[0]
    bone = world(case, case.image.array > 300)
    middle = bone[np.abs(bone[:, 0]) < 15]
    assert np.median(middle[:, 1]) < atrium[1] - 20


@pytest.mark.parametrize("task", ["heart", "abdomen"])
def test_lung_and_outside_air_are_there(task: str) -> None:
    case = native(task, 0)
    image = case.image.array
    lung = np.mean((image > -920) & (image < -700))
    assert lung > (0.08 if task == "heart" else 0.005)
    assert np.mean(image < -950) > 0.2


@pytest.mark.parametrize("task", ["heart", "abdomen"])
@pytest.mark.parametrize("index", [0, 1])
def test_same_anatomy_in_ct_and_mr(task: str, index: int) -> None:
    """The MR labels, taken at the world positions of the CT voxels, agree with the CT's."""
    ct = native(task, index)
    mr = phantom_case(task=task, modality="MR", protocol="t1", seed=7, index=index)
    matrix = np.linalg.inv(mr.label.affine) @ ct.label.affine
    inside = ndimage.affine_transform(
        np.ones(mr.label.array.shape, np.uint8), matrix, output_shape=ct.label.array.shape, order=0
    )
    moved = ndimage.affine_transform(
        mr.label.array, matrix, output_shape=ct.label.array.shape, order=0
    )
    whole_ct, whole_mr = (ct.label.array > 0) & (inside > 0), moved > 0
    dice = 2 * np.sum(whole_ct & whole_mr) / (whole_ct.sum() + whole_mr.sum())
    assert dice > 0.9
    for name, value in PHANTOM_LABELS[task].items():
        if name in ("left_ventricle", "liver", "spleen"):
            one, two = (ct.label.array == value) & (inside > 0), moved == value
            assert 2 * np.sum(one & two) / (one.sum() + two.sum()) > 0.88, name
