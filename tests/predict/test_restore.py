"""Back to the input's grid, against interpolators and by there-and-back."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scans import turned
from scipy import ndimage
from scipy.interpolate import RegularGridInterpolator

from fedgin.data.preprocess import resample, to_ras
from fedgin.data.volume import Volume
from fedgin.predict.restore import LabelRestorer, map_axis


def restore(
    probabilities: np.ndarray, volume: Volume, *, slab: int = 4, block: int = 2**14
) -> np.ndarray:
    """Restores (Z, classes, Y, X), given slab by slab."""
    z, _, y, x = probabilities.shape
    restorer = LabelRestorer(
        shape=volume.array.shape, affine=volume.affine, task_shape=(z, y, x), block=block
    )
    for start in range(0, z, slab):
        part = torch.from_numpy(probabilities[start : start + slab].astype(np.float32))
        restorer.add(start, part, part.max(dim=1).indices)
    assert restorer.complete
    return restorer.label


def one_hot(label: np.ndarray, n_classes: int) -> np.ndarray:
    """(X, Y, Z) class indices as (Z, classes, Y, X)."""
    return np.moveaxis(np.eye(n_classes)[label.transpose(2, 1, 0)], -1, 1)


def there_and_back(label: np.ndarray, affine: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    x, y, z = spacing
    volume = Volume(label, affine)
    task = resample(to_ras(volume), spacing=(x, y, z), order=0)
    return restore(one_hot(task.array, int(label.max()) + 1), volume)


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Three structures of smooth outline."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return np.digitize(field, np.quantile(field, (0.6, 0.75, 0.9))).astype(np.uint8)


ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@settings(max_examples=25, deadline=None)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    tilt=st.tuples(*[st.floats(-0.4, 0.4)] * 3),
    voxel=st.tuples(*[st.floats(0.8, 3.0)] * 3),
    target=st.tuples(*[st.floats(0.8, 5.0)] * 3),
    shape=st.tuples(*[st.integers(9, 28)] * 3),
    seed=st.integers(0, 100),
)
def test_a_label_there_and_back_stays_within_one_voxel(
    orientation: tuple[tuple[int, ...], tuple[int, ...]],
    tilt: tuple[float, float, float],
    voxel: tuple[float, float, float],
    target: tuple[float, float, float],
    shape: tuple[int, int, int],
    seed: int,
) -> None:
    label = blobs(shape, seed)
    order, signs = orientation
    affine = turned(tilt, voxel)
    affine[:3, :3] = affine[:3, list(order)] * signs
    back = there_and_back(label, affine, target)
    assert back.shape == label.shape
    # One voxel of the coarser grid, along each axis; axes of the input in its own order.
    steps = nib.orientations.io_orientation(affine)[:, 0].astype(int)
    ratio = np.array(target)[steps] / Volume(label, affine).spacing
    reach = [2 * int(np.ceil(max(each, 1))) + 1 for each in ratio]
    for value in range(4):
        near = ndimage.binary_dilation(label == value, structure=np.ones(reach))
        assert near[back == value].all()


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (1.2, 2.9, 4.0), (6.0, 5.0, 2.0)])
def test_nothing_is_shifted(spacing: tuple[float, ...]) -> None:
    affine = turned((0.1, 0.2, 0.3), (1.5, 1.5, 2.0))
    places = np.stack(np.meshgrid(*map(np.arange, (40, 44, 36)), indexing="ij"))
    middle = np.array([19.3, 21.8, 17.6])[:, None, None, None]
    ball = (
        (((places - middle) * np.array([1.5, 1.5, 2.0])[:, None, None, None]) ** 2).sum(0)
    ) < 400
    volume = Volume(ball.astype(np.float32), affine)
    x, y, z = spacing
    # Not by the nearest voxel, which is off by half a voxel where two are equally near.
    share = resample(to_ras(volume), spacing=(x, y, z), order=1).array.transpose(2, 1, 0)
    back = restore(np.stack([1 - share, share], axis=1), volume)
    moved = np.array(ndimage.center_of_mass(back)) - ndimage.center_of_mass(ball)
    assert abs(moved * (1.5, 1.5, 2.0)).max() < 0.15  # mm
    assert back.sum() == pytest.approx(ball.sum(), rel=0.04)


@pytest.mark.parametrize("task_shape", [(5, 7, 6), (9, 30, 11), (1, 1, 1), (20, 9, 8)])
def test_probabilities_are_interpolated_linearly(task_shape: tuple[int, int, int]) -> None:
    volume = Volume(np.empty((13, 12, 11), np.uint8), turned((0, 0, 0.2)))
    scores = np.random.default_rng(2).normal(size=(task_shape[0], 4, *task_shape[1:])) * 2
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    centres = [
        np.clip((np.arange(n) + 0.5) * t / n - 0.5, 0, t - 1)
        for n, t in zip((11, 12, 13), task_shape, strict=True)
    ]
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)
    padded = np.pad(probabilities, [(0, 1), (0, 0), (0, 1), (0, 1)], mode="edge")
    axes = [np.arange(n + 1.0) for n in task_shape]
    expected = np.stack(
        [RegularGridInterpolator(axes, padded[:, c])(points) for c in range(4)], axis=-1
    )
    found = restore(probabilities, volume).transpose(2, 1, 0)
    ordered = np.sort(expected, axis=-1)
    clear = ordered[..., -1] - ordered[..., -2] > 1e-5
    assert clear.mean() > 0.99
    assert np.array_equal(found[clear], expected.argmax(-1)[clear])


def test_the_size_of_slabs_and_blocks_changes_nothing() -> None:
    volume = Volume(np.empty((17, 19, 23), np.uint8), turned())
    scores = np.random.default_rng(3).random((9, 3, 8, 10))
    found = [
        restore(scores, volume, slab=slab, block=block)
        for slab in (1, 2, 9)
        for block in (1, 2**30)
    ]
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_orientation_is_undone_exactly(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = turned((0.05, 0.1, 0.2))
    affine[:3, :3] = affine[:3, list(order)] * signs
    label = np.random.default_rng(4).integers(0, 3, (5, 6, 7)).astype(np.uint8)
    volume = Volume(label, affine)
    upright = to_ras(volume).array
    assert np.array_equal(restore(one_hot(upright, 3), volume), label)


def test_an_axis_maps_its_outer_faces_onto_those_of_the_other() -> None:
    same = map_axis(7, 7)
    assert same.low.tolist() == list(range(7))
    assert not same.share.any()
    doubled = map_axis(3, 6)
    assert (doubled.low + doubled.share).tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2]
