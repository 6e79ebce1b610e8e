"""Orientation, resampling and intensities, against nibabel, interpolators and formulas."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.interpolate import RegularGridInterpolator

from fedgin.data.preprocess import normalise, prepare_image, resample, to_ras
from fedgin.data.volume import Volume

SHAPE = (5, 6, 7)
ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def oriented(order: tuple[int, ...], signs: tuple[int, ...], *, tilt: float) -> np.ndarray:
    """An affine of unequal voxels whose array axes run along the anatomical axes in any order."""
    matrix = np.zeros((3, 3))
    for axis, (direction, sign, size) in enumerate(zip(order, signs, (1.5, 2.0, 3.0), strict=True)):
        matrix[direction, axis] = sign * size
    cos, sin = np.cos(tilt), np.sin(tilt)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ matrix
    affine[:3, 3] = (-20, 7, 100)
    return affine


def random(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def grid_points(volume: Volume) -> np.ndarray:
    """World position of every voxel, shape (*volume, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), axis=-1)
    return index @ volume.affine[:3, :3].T + volume.affine[:3, 3]


# ---------------------------------------------------------------- orientation


@pytest.mark.parametrize("tilt", [0.0, 0.3])
@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_every_orientation_becomes_what_nibabel_calls_canonical(
    order: tuple[int, ...], signs: tuple[int, ...], tilt: float
) -> None:
    volume = Volume(random(), oriented(order, signs, tilt=tilt))
    canonical = nib.as_closest_canonical(nib.Nifti1Image(volume.array, volume.affine))
    turned = to_ras(volume)
    assert nib.aff2axcodes(turned.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(turned.array, np.asarray(canonical.dataobj))
    np.testing.assert_allclose(turned.affine, canonical.affine, atol=1e-12)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_no_voxel_moves_in_the_patient(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    volume = Volume(random(), oriented(order, signs, tilt=0.3))
    turned = to_ras(volume)
    places = [
        {tuple(np.round(place, 6)): value for place, value in zip(points, values, strict=True)}
        for points, values in (
            (grid_points(each).reshape(-1, 3), each.array.ravel()) for each in (volume, turned)
        )
    ]
    assert places[0] == places[1]


# ---------------------------------------------------------------- resampling

AFFINE = oriented((0, 1, 2), (1, 1, 1), tilt=0.2)


@pytest.mark.parametrize("order", [0, 1])
def test_none_keeps_the_spacing_of_an_axis(order: int) -> None:
    volume = Volume(random((10, 12, 9)), AFFINE)
    kept = resample(volume, spacing=(None, None, None), order=order)
    assert kept.array is volume.array
    partly = resample(volume, spacing=(3.0, None, None), order=order)
    assert partly.array.shape == (5, 12, 9)
    assert partly.spacing == pytest.approx((3.0, 2.0, 3.0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.3, 3.7, 4.1), (7.0, 0.9, 3.0)])
def test_the_outer_faces_stay_and_the_spacing_is_nearly_the_one_wanted(
    spacing: tuple[float, float, float],
) -> None:
    volume = Volume(random((20, 22, 18)), AFFINE)
    result = resample(volume, spacing=spacing, order=1)
    for old, new in ((-0.5, -0.5), (1, 1)):
        faces = [
            each.affine
            @ np.array([*([factor] * 3 if factor < 0 else np.array(each.array.shape) - 0.5), 1.0])
            for each, factor in ((volume, old), (result, new))
        ]
        np.testing.assert_allclose(faces[0], faces[1], atol=1e-9)
    extent = np.array(volume.spacing) * volume.array.shape
    assert result.array.shape == tuple(int(n) for n in np.round(extent / spacing))
    np.testing.assert_allclose(result.spacing, extent / result.array.shape)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.3, 3.7, 4.1), (None, 0.9, 7.0)])
def test_linear_resampling_agrees_with_a_grid_interpolator(
    spacing: tuple[float | None, float | None, float | None],
) -> None:
    volume = Volume(random((11, 12, 13)), AFFINE)
    result = resample(volume, spacing=spacing, order=1)
    inverse = np.linalg.inv(volume.affine)
    index = grid_points(result) @ inverse[:3, :3].T + inverse[:3, 3]
    axes = [np.arange(size, dtype=float) for size in volume.array.shape]
    limits = np.array(volume.array.shape) - 1
    expected = RegularGridInterpolator(axes, volume.array)(np.clip(index, 0, limits))
    np.testing.assert_allclose(result.array, expected, atol=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.1, 1.2), (2.3, 3.7, 4.1), (None, 0.9, 7.0)])
def test_a_linear_ramp_stays_the_same_ramp_inside(
    spacing: tuple[float | None, float | None, float | None],
) -> None:
    slope = np.array([2.0, -1.0, 0.5])
    empty = Volume(np.empty((11, 12, 13)), AFFINE)
    volume = Volume(grid_points(empty) @ slope + 10, AFFINE)
    result = resample(volume, spacing=spacing, order=1)
    inverse = np.linalg.inv(volume.affine)
    points = grid_points(result)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    inside = ((index >= 0) & (index <= np.array(volume.array.shape) - 1)).all(axis=-1)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(result.array[inside], (points @ slope + 10)[inside], atol=1e-9)


def test_a_constant_stays_constant_up_to_the_border() -> None:
    volume = Volume(np.full((9, 8, 7), -1000, np.float32), AFFINE)
    for spacing in ((1.0, 1.1, 0.7), (4.0, 5.0, 6.0)):
        assert (resample(volume, spacing=spacing, order=1).array == -1000).all()


@pytest.mark.parametrize("spacing", [(1.1, 1.3, 1.7), (2.0, 3.0, 4.0)])
def test_a_marker_stays_at_its_place_in_the_patient(spacing: tuple[float, float, float]) -> None:
    empty = Volume(np.empty((40, 36, 30)), AFFINE)
    points = grid_points(empty)
    marker = points[17, 20, 13] + 0.4
    blob = np.exp(-((points - marker) ** 2).sum(axis=-1) / (2 * 6.0**2))
    result = resample(Volume(blob, AFFINE), spacing=spacing, order=1)
    centre = result.affine @ np.array([*ndimage.center_of_mass(result.array), 1.0])
    np.testing.assert_allclose(centre[:3], marker, atol=0.05)  # mm


@pytest.mark.parametrize("spacing", [(1.0, 1.1, 1.2), (2.3, 3.3, 4.1), (None, 0.9, 7.0)])
def test_labels_take_the_nearest_voxel_and_no_value_is_invented(
    spacing: tuple[float | None, float | None, float | None],
) -> None:
    label = np.random.default_rng(1).choice([0, 3, 200], size=(11, 12, 13)).astype(np.uint8)
    volume = Volume(label, AFFINE)
    result = resample(volume, spacing=spacing, order=0)
    assert result.array.dtype == np.uint8
    assert set(np.unique(result.array)) <= {0, 3, 200}
    inverse = np.linalg.inv(volume.affine)
    index = grid_points(result) @ inverse[:3, :3].T + inverse[:3, 3]
    # Where two voxels are equally near, either is right.
    clear = (np.abs(index - np.floor(index) - 0.5) > 1e-6).all(axis=-1)
    nearest = np.clip(np.round(index), 0, np.array(label.shape) - 1).astype(int)
    expected = label[tuple(np.moveaxis(nearest, -1, 0))]
    np.testing.assert_array_equal(result.array[clear], expected[clear])
    assert clear.mean() > 0.7


def test_a_volume_thinner_than_a_voxel_keeps_one() -> None:
    result = resample(Volume(random((4, 5, 6)), np.eye(4)), spacing=(50.0, 50.0, 50.0), order=1)
    assert result.array.shape == (1, 1, 1)
    assert result.spacing == pytest.approx((4, 5, 6))


# ---------------------------------------------------------------- intensities


def test_ct_is_clipped_to_the_window_and_spans_minus_one_to_one() -> None:
    hu = np.array([[-1024, -200, -100, 0], [40, 150, 500, 3000]], dtype=np.float32)
    result = normalise(hu, modality="CT", ct_window=(-200, 500))
    expected = [2 * (min(max(float(v), -200.0), 500.0) + 200.0) / 700.0 - 1 for v in hu.ravel()]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), expected, atol=1e-6)
    assert (result.min(), result.max()) == (-1, 1)


def test_a_hu_means_the_same_in_every_volume() -> None:
    one = normalise(np.array([0.0, 40.0, 1000.0]), modality="CT", ct_window=(-125, 275))
    two = normalise(np.array([-900.0, 40.0, 41.0]), modality="CT", ct_window=(-125, 275))
    assert one[1] == two[1]


def test_mr_is_clipped_at_the_top_and_standardised() -> None:
    image = np.random.default_rng(0).gamma(2.0, 150.0, (30, 40, 20)).astype(np.float32)
    image[0, 0, 0] = 1e6  # a spike that must not set the scale
    clipped = np.minimum(image.astype(np.float64), np.percentile(image.astype(np.float64), 99.5))
    expected = (clipped - clipped.mean()) / clipped.std()
    result = normalise(image, modality="MR", ct_window=(0, 1))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_the_unit_of_mr_does_not_matter() -> None:
    image = np.random.default_rng(0).gamma(2.0, 150.0, (10, 10, 10))
    one = normalise(image, modality="MR", ct_window=(0, 1))
    two = normalise(0.01 * image + 5, modality="MR", ct_window=(0, 1))
    np.testing.assert_allclose(one, two, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, 1e5])
def test_a_constant_mr_image_becomes_zeros(value: float) -> None:
    image = np.full((17, 13, 11), value, np.float32)
    assert (normalise(image, modality="MR", ct_window=(0, 1)) == 0).all()


def test_the_input_is_not_changed() -> None:
    for modality in ("CT", "MR"):
        image = random().astype(np.float32) * 1000
        before = image.copy()
        normalise(image, modality=modality, ct_window=(-100, 100))
        np.testing.assert_array_equal(image, before)


# ---------------------------------------------------------------- all together


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_an_image_is_reoriented_resampled_and_normalised_as_a_whole(modality: str) -> None:
    array = (random((41, 20, 9)) * 400).astype(np.float32)
    volume = Volume(array, oriented((2, 0, 1), (1, -1, 1), tilt=0.1))
    image = resample(to_ras(volume), spacing=(3.0, None, 2.5), order=1)
    whole = normalise(image.array, modality=modality, ct_window=(-200, 500))
    prepared, spacing = prepare_image(
        "a", volume, modality=modality, spacing=(3.0, None, 2.5), ct_window=(-200, 500)
    )
    assert prepared.dtype == np.float16
    assert prepared.flags.c_contiguous
    np.testing.assert_array_equal(prepared, whole.transpose(2, 1, 0).astype(np.float16))
    assert spacing == image.spacing[::-1]
    assert len(prepared) > 20  # more slices than are normalised at a time
