"""HD95 and surface Dice against all pairs of surface voxels, MONAI and known solids."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from fedgin.metrics.surface import SurfaceScores, surface_per_class

SPACING = (3.0, 0.8, 1.25)


def scores(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    spacing: tuple[float, ...] = SPACING,
    tolerance_mm: float = 2.0,
    n_classes: int = 2,
) -> SurfaceScores:
    return surface_per_class(
        prediction, truth, n_classes=n_classes, spacing=spacing, tolerance_mm=tolerance_mm
    )


def surface_by_neighbours(mask: np.ndarray) -> np.ndarray:
    """Voxels of a mask with a face neighbour that is not of the mask, one by one."""
    inside = {tuple(place) for place in np.argwhere(mask).tolist()}
    steps = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    return np.array(
        [
            (z, y, x)
            for z, y, x in sorted(inside)
            if any((z + dz, y + dy, x + dx) not in inside for dz, dy, dx in steps)
        ]
    )


def percentile_by_sorting(values: np.ndarray, share: float) -> float:
    ordered = sorted(values.tolist())
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def by_all_pairs(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...], tolerance: float
) -> tuple[float, float]:
    """HD95 and NSD of two masks from the distances of all pairs of surface voxels."""
    if not prediction.any() and not truth.any():
        return math.nan, math.nan
    if not prediction.any() or not truth.any():
        sides = [n * mm for n, mm in zip(truth.shape, spacing, strict=True)]
        return math.sqrt(sum(side * side for side in sides)), 0.0
    first, second = (
        surface_by_neighbours(mask) * np.array(spacing) for mask in (prediction, truth)
    )
    pairs = np.sqrt(((first[:, None] - second[None]) ** 2).sum(axis=-1))
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    within = int((there <= tolerance).sum() + (back <= tolerance).sum())
    hd95 = max(percentile_by_sorting(there, 0.95), percentile_by_sorting(back, 0.95))
    return hd95, within / (len(there) + len(back))


def random_case(number: int) -> tuple[np.ndarray, np.ndarray, tuple[float, ...], float]:
    """Class maps of three classes, some rare or absent: scattered voxels or boxes, moved."""
    generator = np.random.default_rng(number)
    shape = tuple(int(size) for size in generator.integers((4, 6, 6), (7, 9, 9)))
    truth = np.zeros(shape, dtype=np.uint8)
    if number % 2:
        truth = generator.choice(4, size=shape, p=[0.7, 0.2, 0.09, 0.01]).astype(np.uint8)
    else:
        for index in range(1, 4):
            start = [int(generator.integers(0, size)) for size in shape]
            stop = [
                int(generator.integers(a + 1, size + 1))
                for a, size in zip(start, shape, strict=True)
            ]
            truth[tuple(map(slice, start, stop))] = index
    prediction = np.roll(truth, generator.integers(-2, 3, size=3), axis=(0, 1, 2)).astype(np.int32)
    prediction[generator.random(shape) < 0.1] = 0
    if number % 7 == 0:
        prediction[prediction == 3] = 0
    spacing = tuple(generator.uniform(0.5, 4.0, size=3).tolist())
    return prediction, truth, spacing, float(generator.uniform(0.3, 5.0))


def monai_on_the_whole_volume(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    n_classes: int,
    spacing: tuple[float, ...],
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    hot_prediction, hot_truth = (
        torch.from_numpy(np.stack([volume == c for c in range(n_classes)])[None]).float()
        for volume in (prediction, truth)
    )
    hd95 = compute_hausdorff_distance(
        hot_prediction, hot_truth, percentile=95, spacing=list(spacing)
    )
    nsd = compute_surface_dice(
        hot_prediction, hot_truth, [tolerance] * (n_classes - 1), spacing=list(spacing)
    )
    return hd95[0].numpy(), nsd[0].numpy()


def test_both_metrics_equal_the_distances_of_all_pairs_of_surface_voxels() -> None:
    both = one = none = 0
    for number in range(200):
        prediction, truth, spacing, tolerance = random_case(number)
        found = scores(prediction, truth, spacing=spacing, tolerance_mm=tolerance, n_classes=4)
        expected = np.array(
            [by_all_pairs(prediction == c, truth == c, spacing, tolerance) for c in (1, 2, 3)]
        )
        assert found.hd95.dtype == found.nsd.dtype == np.float64
        np.testing.assert_allclose(found.hd95, expected[:, 0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.nsd, expected[:, 1], rtol=0, atol=1e-6)
        for c in (1, 2, 3):
            present = int((prediction == c).any()) + int((truth == c).any())
            both, one, none = both + (present == 2), one + (present == 1), none + (present == 0)
    assert both > 400
    assert one > 20
    assert none > 5


@pytest.mark.filterwarnings("ignore")
def test_both_metrics_agree_with_monai_on_the_whole_volume() -> None:
    compared = 0
    for number in range(200):
        prediction, truth, spacing, tolerance = random_case(number)
        found = scores(prediction, truth, spacing=spacing, tolerance_mm=tolerance, n_classes=4)
        hd95, nsd = monai_on_the_whole_volume(
            prediction, truth, n_classes=4, spacing=spacing, tolerance=tolerance
        )
        both = [(prediction == c).any() and (truth == c).any() for c in (1, 2, 3)]
        # MONAI's own result is in single precision.
        np.testing.assert_allclose(found.hd95[both], hd95[both], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.nsd[both], nsd[both], rtol=0, atol=1e-6)
        compared += sum(both)
    assert compared > 400


@pytest.mark.filterwarnings("ignore")
def test_the_joint_box_gives_what_the_whole_volume_gives() -> None:
    generator = np.random.default_rng(3)
    truth = np.zeros((14, 30, 30), dtype=np.uint8)
    prediction = truth.copy()
    truth[5:9, 10:16, 11:19], prediction[4:8, 12:20, 12:17] = 1, 1
    truth[:3, :5, 20:], prediction[:2, :6, 22:] = 2, 2  # touches three borders of the image
    prediction[generator.random(truth.shape) < 0.01] = 1  # outliers
    found = scores(prediction, truth, n_classes=3)
    hd95, nsd = monai_on_the_whole_volume(
        prediction, truth, n_classes=3, spacing=SPACING, tolerance=2.0
    )
    np.testing.assert_allclose(found.hd95, hd95, rtol=1e-6)
    np.testing.assert_allclose(found.nsd, nsd, atol=1e-6)
    # Empty surroundings move no surface, also where the class touched the image's border.
    wide = scores(np.pad(prediction, 4), np.pad(truth, 4), n_classes=3)
    np.testing.assert_array_equal(wide.hd95, found.hd95)
    np.testing.assert_array_equal(wide.nsd, found.nsd)


def test_one_voxel_each_gives_their_distance_in_mm() -> None:
    prediction, truth = np.zeros((2, 5, 6, 7), dtype=np.uint8)
    prediction[1, 1, 1], truth[3, 4, 5] = 1, 1
    expected = math.sqrt((2 * 3.0) ** 2 + (3 * 0.8) ** 2 + (4 * 1.25) ** 2)
    found = scores(prediction, truth, tolerance_mm=expected - 0.01)
    assert found.hd95[0] == pytest.approx(expected, rel=1e-6)
    assert found.nsd[0] == 0
    assert scores(prediction, truth, tolerance_mm=expected + 0.01).nsd[0] == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_spacing_belongs_to_z_y_x_in_this_order(axis: int) -> None:
    prediction, truth = np.zeros((2, 5, 6, 7), dtype=np.uint8)
    prediction[1, 1, 1] = 1
    place = [1, 1, 1]
    place[axis] += 3
    truth[tuple(place)] = 1
    assert scores(prediction, truth).hd95[0] == pytest.approx(3 * SPACING[axis], rel=1e-6)


def test_a_distance_of_exactly_the_tolerance_is_within_it() -> None:
    prediction, truth = np.zeros((2, 3, 6, 3), dtype=np.uint8)
    prediction[1, 1, 1], truth[1, 4, 1] = 1, 1
    assert 3 * 0.8 > 2.4  # in double precision the distance is a rounding error above
    assert scores(prediction, truth, tolerance_mm=2.4).nsd[0] == 1
    assert scores(prediction, truth, tolerance_mm=2.399).nsd[0] == 0


def test_a_slab_moved_by_one_voxel_has_that_distance() -> None:
    truth = np.zeros((9, 12, 12), dtype=np.uint8)
    truth[2:6] = 1  # touches four borders; its faces z = 2, 5 and its rim are its surface
    prediction = np.roll(truth, 1, axis=0)
    found = scores(prediction, truth, tolerance_mm=2.9)
    assert found.hd95[0] == pytest.approx(3.0, rel=1e-6)
    assert found.nsd[0] == pytest.approx(nsd_of_slab_by_counting(), abs=1e-6)
    assert scores(prediction, truth, tolerance_mm=3.0).nsd[0] == 1


def nsd_of_slab_by_counting() -> float:
    """Slab z = 2 ... 5 against z = 3 ... 6, tolerance above in-plane steps, below one slice."""
    rim, face = 44, 144
    # In plane 2.9 mm reaches 3 voxels along y (0.8 mm) and 2 along x (1.25 mm) from the rim.
    reached = sum(
        any(
            math.hypot(0.8 * (y - b), 1.25 * (x - a)) <= 2.9
            for b, a in itertools.product(range(12), repeat=2)
            if b in (0, 11) or a in (0, 11)
        )
        for y, x in itertools.product(range(12), repeat=2)
    )
    # Of one slab: outer face 0, face inside the other: reached; rims of two slices between.
    return 2 * (reached + 2 * rim) / (2 * (2 * face + 2 * rim))


def test_equal_volumes_have_distance_zero_and_surface_dice_one() -> None:
    truth = np.random.default_rng(1).integers(0, 4, size=(5, 7, 6))
    found = scores(truth, truth, n_classes=4, tolerance_mm=0.0)
    assert found.hd95.tolist() == [0, 0, 0]
    assert found.nsd.tolist() == [1, 1, 1]


def test_a_class_that_fills_the_image_has_the_border_as_surface() -> None:
    full = np.ones((4, 5, 6), dtype=np.uint8)
    hollow = full.copy()
    hollow[1:3, 1:4, 1:5] = 0
    found = scores(hollow, full, tolerance_mm=0.0)
    assert found.hd95[0] == 0  # the shell of the one is the surface of the other
    assert found.nsd[0] == 1


def test_missed_and_invented_have_the_image_diagonal_and_zero() -> None:
    prediction, truth = np.zeros((2, 10, 20, 30), dtype=np.uint8)
    truth[4, 4, 4], prediction[5, 5, 5] = 1, 2
    found = scores(prediction, truth, n_classes=4, tolerance_mm=1000.0)
    diagonal = math.sqrt(30.0**2 + 16.0**2 + 37.5**2)
    np.testing.assert_allclose(found.hd95, [diagonal, diagonal, math.nan], rtol=1e-12)
    np.testing.assert_array_equal(found.nsd, [0, 0, math.nan])


def test_doubling_the_spacing_doubles_the_distance() -> None:
    for number in range(20):
        prediction, truth, spacing, tolerance = random_case(number)
        once = scores(prediction, truth, spacing=spacing, tolerance_mm=tolerance, n_classes=4)
        wide = tuple(2 * mm for mm in spacing)
        twice = scores(prediction, truth, spacing=wide, tolerance_mm=2 * tolerance, n_classes=4)
        np.testing.assert_allclose(twice.hd95, 2 * once.hd95, rtol=1e-12)
        np.testing.assert_array_equal(twice.nsd, once.nsd)


def test_prediction_and_truth_may_be_exchanged() -> None:
    for number in range(20):
        prediction, truth, spacing, tolerance = random_case(number)
        one = scores(prediction, truth, spacing=spacing, tolerance_mm=tolerance, n_classes=4)
        other = scores(truth, prediction, spacing=spacing, tolerance_mm=tolerance, n_classes=4)
        np.testing.assert_array_equal(one.hd95, other.hd95)
        np.testing.assert_array_equal(one.nsd, other.nsd)


def test_spacing_and_tolerance_must_be_given() -> None:
    volume = np.zeros((2, 2, 2), dtype=np.uint8)
    with pytest.raises(TypeError, match="spacing"):
        surface_per_class(volume, volume, n_classes=2, tolerance_mm=1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="tolerance_mm"):
        surface_per_class(volume, volume, n_classes=2, spacing=SPACING)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "spacing",
    [
        (),
        (1.0, 1.0),
        (1.0,) * 4,
        (1.0, 0.0, 1.0),
        (1.0, -1.0, 1.0),
        (1.0, math.nan, 1.0),
        (1.0, 1.0, math.inf),
        (1.0, None, 1.0),
        ("a", 1.0, 1.0),
        ({}, 1.0, 1.0),
        None,
        1.0,
    ],
)
def test_a_spacing_that_is_not_three_sizes_is_refused(spacing: tuple[float, ...]) -> None:
    volume = np.zeros((2, 2, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match="three positive, finite numbers"):
        scores(volume, volume, spacing=spacing)


@pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
def test_a_tolerance_out_of_range_is_refused(tolerance: float) -> None:
    volume = np.zeros((2, 2, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match="tolerance_mm"):
        scores(volume, volume, tolerance_mm=tolerance)


def test_volumes_that_are_no_pair_of_class_maps_are_refused() -> None:
    volume = np.zeros((2, 3, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(3, 4\)"):
        scores(volume, volume[0])
    with pytest.raises(ValueError, match="Z, Y, X"):
        scores(volume[0], volume[0])
    with pytest.raises(ValueError, match=r"truth.*float64"):
        scores(volume, volume.astype(float))


@pytest.mark.slow
def test_a_patient_with_six_classes_takes_less_than_300_ms() -> None:
    truth = np.zeros((40, 96, 96), dtype=np.uint8)
    grid = np.indices(truth.shape)
    for index in range(1, 7):
        centre = np.array([20, 20 + 12 * index % 60, 15 + 11 * index])[:, None, None, None]
        radii = np.array([15, 12, 7])[:, None, None, None]
        truth[(((grid - centre) / radii) ** 2).sum(axis=0) < 1] = index
    prediction = np.roll(truth, (1, 2, 2), axis=(0, 1, 2))
    scores(prediction, truth, n_classes=7)
    start = time.perf_counter()
    scores(prediction, truth, n_classes=7)
    assert time.perf_counter() - start < 0.3
