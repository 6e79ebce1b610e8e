"""Bezier intensity curves against SciPy's curves and the released way to sort them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from batches import SHAPES, generator, random_images
from scipy import stats
from scipy.interpolate import BPoly, interp1d
from scipy.spatial import KDTree

from fedgin.augment.bezier import Bezier, BezierDraw, curve_table, interpolate
from fedgin.augment.dual_styles import CURVES, dual_styles


def dense_curve(points: np.ndarray, *, inverted: bool) -> tuple[np.ndarray, np.ndarray]:
    """As released: 100000 points from (1, 1) to (0, 0), x sorted, y too unless inverted."""
    control = np.concatenate([[[0.0, 0.0]], points, [[1.0, 1.0]]])
    curve = BPoly(control[:, None], [0, 1])(np.linspace(1, 0, 100_000))
    x, y = np.sort(curve[:, 0]), curve[:, 1]
    return x, y if inverted else np.sort(y)


def expected(images: np.ndarray, draw: BezierDraw) -> np.ndarray:
    outputs = []
    for sample, image in enumerate(images.astype(np.float64)):
        if not draw.applied[sample]:
            outputs.append(image)
            continue
        points = draw.points[sample].double().numpy()
        x, y = dense_curve(points, inverted=bool(draw.inverted[sample]))
        low, high = image.min(), image.max()
        curve = interp1d(x, y, assume_sorted=True)((image - low) / (high - low))
        outputs.append(low + (high - low) * curve)
    return np.stack(outputs)


@pytest.mark.parametrize("inverted", [False, True, None])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_apply_computes_the_curve(shape: tuple[int, ...], inverted: bool | None) -> None:
    images = random_images(shape) * 40 - 7
    bezier = Bezier(probability=0.8, inverted=inverted)
    for seed in range(6):
        draw = bezier.draw(shape, generator=generator(seed))
        found = bezier.apply(images, draw).numpy()
        # A table of 1024 points: an error of the order of 1 / 1024 of the range where x stands.
        tolerance = 3e-3 * float(images.max() - images.min())
        np.testing.assert_allclose(found, expected(images.numpy(), draw), atol=tolerance)


@pytest.mark.parametrize("points", [(1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 1.0, 0.0), (1, 1, 0, 0)])
@pytest.mark.parametrize("inverted", [False, True])
def test_extreme_control_points_give_the_released_curve(
    points: tuple[float, ...], inverted: bool
) -> None:
    control = torch.tensor(points, dtype=torch.float32).reshape(1, 2, 2)
    x, y = curve_table(control, inverted=torch.tensor([inverted]))
    values = torch.rand(1, 400, generator=generator(1))
    dense_x, dense_y = dense_curve(control[0].double().numpy(), inverted=inverted)
    # Where x stands still the curve is upright: its points are compared instead of its heights.
    found = np.stack([values[0].numpy(), interpolate(values, x=x, y=y)[0].numpy()], axis=1)
    distance, _ = KDTree(np.stack([dense_x, dense_y], axis=1)).query(found)
    assert distance.max() < 3e-3


def test_no_curve_turns_back_before_it_is_sorted() -> None:
    points = np.random.default_rng(0).random((500, 2, 2))
    points[:16] = np.array(list(itertools.product([0.0, 1.0], repeat=4))).reshape(16, 2, 2)
    ends = np.zeros((500, 1, 2)), np.ones((500, 1, 2))
    control = np.concatenate([ends[0], points, ends[1]], axis=1)
    curves = BPoly(control.swapaxes(0, 1)[:, None], [0, 1])(np.linspace(0, 1, 2000))
    assert (np.diff(curves, axis=0) >= -1e-12).all()


def test_interpolation_is_numpys() -> None:
    x = torch.rand(3, 50, generator=generator(2)).sort(dim=1).values
    y = torch.rand(3, 50, generator=generator(3))
    values = x[:, :1] + (x[:, -1:] - x[:, :1]) * torch.rand(3, 99, generator=generator(4))
    values[:, 0], values[:, 1] = x[:, 0], x[:, -1]
    found = interpolate(values, x=x, y=y).numpy()
    for row in range(3):
        np.testing.assert_allclose(
            found[row], np.interp(values[row], x[row], y[row]), rtol=1e-4, atol=1e-5
        )


def test_interpolation_survives_points_that_coincide() -> None:
    x = torch.tensor([[0.0, 0.0, 0.5, 0.5, 1.0, 1.0]])
    y = torch.tensor([[0.0, 0.1, 0.4, 0.6, 0.9, 1.0]])
    values = torch.tensor([[0.0, 0.25, 0.5, 0.75, 1.0]])
    found = interpolate(values, x=x, y=y)[0].tolist()
    assert found[1] == pytest.approx(0.25)
    assert found[3] == pytest.approx(0.75)
    assert -1e-6 <= found[0] <= 0.1 + 1e-6
    assert 0.4 - 1e-6 <= found[2] <= 0.6 + 1e-6
    assert 0.9 - 1e-6 <= found[4] <= 1.0 + 1e-6


def test_a_curve_that_is_not_inverted_rises_and_keeps_the_range() -> None:
    images = random_images((100, 1, 8, 8))
    bezier = Bezier(probability=1.0, inverted=False)
    found = bezier.apply(images, bezier.draw(images.shape, generator=generator(5))).flatten(1)
    before = images.flatten(1)
    order = before.argsort(dim=1)
    assert (found.gather(1, order).diff(dim=1) >= -1e-5).all()
    torch.testing.assert_close(found.amin(dim=1), before.amin(dim=1), rtol=0, atol=1e-2)
    torch.testing.assert_close(found.amax(dim=1), before.amax(dim=1), rtol=0, atol=1e-2)


def test_an_inverted_curve_exchanges_the_ends_of_the_range() -> None:
    images = random_images((50, 1, 8, 8))
    bezier = Bezier(probability=1.0, inverted=True)
    found = bezier.apply(images, bezier.draw(images.shape, generator=generator(6))).flatten(1)
    before = images.flatten(1)
    darkest, brightest = before.argmin(dim=1, keepdim=True), before.argmax(dim=1, keepdim=True)
    torch.testing.assert_close(
        found.gather(1, darkest)[:, 0], before.amax(dim=1), rtol=0, atol=1e-2
    )
    torch.testing.assert_close(
        found.gather(1, brightest)[:, 0], before.amin(dim=1), rtol=0, atol=1e-2
    )


def test_control_points_are_uniform_and_half_of_the_curves_are_inverted() -> None:
    draw = Bezier().draw((8000, 1, 2, 2), generator=generator(7))
    for column in draw.points.flatten(1).T.numpy():
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    for chosen in (draw.inverted, draw.applied):
        assert abs(float(chosen.float().mean()) - 0.5) < 5 * 0.5 / np.sqrt(8000)
    both = (draw.inverted & draw.applied).float().mean()
    assert abs(float(both) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 8000)  # independent decisions


@pytest.mark.parametrize("inverted", [False, True])
def test_inverted_may_be_fixed(inverted: bool) -> None:
    draw = Bezier(inverted=inverted).draw((50, 1, 2, 2), generator=generator(8))
    assert (draw.inverted == inverted).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_samples_that_are_left_out_stay_bit_for_bit(dtype: torch.dtype) -> None:
    images = random_images((64, 1, 6, 6)).to(dtype)
    draw = Bezier().draw(images.shape, generator=generator(9))
    same = (Bezier().apply(images, draw) == images).flatten(1).all(dim=1)
    assert torch.equal(same, ~draw.applied)
    none = Bezier(probability=0.0)
    assert torch.equal(none.apply(images, none.draw(images.shape, generator=generator())), images)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_constant_image_stays(inverted: bool) -> None:
    images = torch.full((3, 1, 5, 7), -4.0)
    bezier = Bezier(probability=1.0, inverted=inverted)
    draw = bezier.draw(images.shape, generator=generator(10))
    assert torch.equal(bezier.apply(images, draw), images)


def test_similar_is_one_of_the_three_released_rising_curves() -> None:
    similar, _ = dual_styles()
    images = random_images((120, 1, 5, 5))
    draw = similar.draw(images.shape, generator=generator(11))
    assert draw.applied.all()
    assert not draw.inverted.any()
    kinds = [CURVES.index(tuple(points)) for points in draw.points.flatten(1).tolist()]
    assert stats.chisquare(np.bincount(kinds, minlength=3)).pvalue > 1e-4
    found = similar.apply(images, draw)
    np.testing.assert_allclose(found.numpy(), expected(images.numpy(), draw), atol=2e-2)
    straight = torch.tensor(kinds) == 0
    torch.testing.assert_close(found[straight], images[straight], rtol=0, atol=1e-4)


def test_dissimilar_is_inverted_and_keeps_the_background_dark() -> None:
    _, dissimilar = dual_styles()
    images = random_images((40, 1, 9, 9)).clamp_min(-0.5)
    background = images == -0.5
    draw = dissimilar.draw(images.shape, generator=generator(12))
    assert draw.applied.all()
    assert draw.inverted.all()
    found = dissimilar.apply(images, draw)
    assert (found[background] == -0.5).all()
    reference = torch.from_numpy(expected(images.numpy(), draw)).float()
    torch.testing.assert_close(found[~background], reference[~background], rtol=0, atol=2e-2)
