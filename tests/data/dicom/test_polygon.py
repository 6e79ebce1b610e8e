"""Polygons are filled by the even-odd rule, pixel centre by pixel centre."""

from __future__ import annotations

import numpy as np
import pytest

from fedgin.data.dicom.polygon import fill


def inside(points: np.ndarray, x: float, y: float) -> bool:
    """Even-odd rule for one point: how many edges a ray to the right crosses."""
    odd = False
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            odd = not odd
    return odd


@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_is_as_a_ray_from_it_says(seed: int) -> None:
    # Random corners cross one another; some lie beyond the slice. No centre lies on an edge.
    points = np.random.default_rng(seed).uniform(-4, 20, (9, 2))
    found = fill(points, (14, 17))
    expected = [[inside(points, column, row) for column in range(17)] for row in range(14)]
    np.testing.assert_array_equal(found, expected)
    assert 5 < found.sum() < 14 * 17


def test_the_area_of_an_ellipse() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    points = np.column_stack([60.3 + 41.7 * np.cos(angle), 50.8 + 33.1 * np.sin(angle)])
    area = np.pi * 41.7 * 33.1
    assert fill(points, (110, 120)).sum() == pytest.approx(area, rel=2e-3)


def test_a_keyhole_leaves_its_hole_open() -> None:
    outer = [(2.5, 2.5), (12.5, 2.5), (12.5, 12.5), (2.5, 12.5), (2.5, 7.3)]
    inner = [(5.5, 7.3), (5.5, 9.5), (9.5, 9.5), (9.5, 5.5), (5.5, 5.5), (5.5, 7.3)]
    found = fill(np.array([*outer, *inner, (2.5, 7.3)]), (16, 16))
    expected = np.zeros((16, 16), bool)
    expected[3:13, 3:13] = True
    expected[6:10, 6:10] = False
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("turned", [False, True])
def test_neighbours_share_no_pixel_and_leave_none_between_them(turned: bool) -> None:
    # Corners on pixel centres, and a slanted edge that passes through some.
    left = np.array([(1, 1), (8, 1), (4, 9), (1, 9)], float)
    right = np.array([(8, 1), (14, 1), (14, 9), (4, 9)], float)
    both = fill(np.array([(1, 1), (14, 1), (14, 9), (1, 9)], float), (12, 16))
    jitter = np.random.default_rng(0).normal(0, 1e-5, right.shape)
    one, two = fill(left, (12, 16)), fill((right[::-1] if turned else right) + jitter, (12, 16))
    assert not (one & two).any()
    np.testing.assert_array_equal(one | two, both)
    assert both.sum() == 8 * 13


@pytest.mark.parametrize("far", [-50, 50])
def test_a_polygon_beyond_the_slice_fills_nothing(far: int) -> None:
    assert not fill(np.array([(0, 0), (9, 0), (9, 9)], float) + far, (12, 16)).any()
