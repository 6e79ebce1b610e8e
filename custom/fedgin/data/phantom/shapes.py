"""Implicit shapes: approximate signed distances in mm, negative inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Vector = tuple[float, float, float] | np.ndarray


class Points(Protocol):
    """Where shapes are evaluated: anatomical coordinates in mm and named fields."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    def field(self, name: str) -> np.ndarray:
        """The named field at these points."""
        ...


Distance = Callable[[Points], np.ndarray]


@dataclass(frozen=True, eq=False)
class Shape:
    """A solid.

    Attributes:
        distance: Approximate signed distance in mm.
        low: Lower corner of an axis-aligned box that holds the solid, mm.
        high: Upper corner of that box, mm.
    """

    distance: Distance
    low: np.ndarray
    high: np.ndarray


EVERYWHERE = np.full(3, 1e4)


def everywhere(distance: Distance) -> Shape:
    """A shape without a useful bounding box."""
    return Shape(distance, -EVERYWHERE, EVERYWHERE)


def named(name: str, like: Shape | None = None) -> Shape:
    """The shape whose distance is kept as a named field of the scene.

    Args:
        name: Name of the field.
        like: The shape itself, for its bounding box; without it the box is unbounded.
    """

    def distance(p: Points) -> np.ndarray:
        return p.field(name)

    return everywhere(distance) if like is None else Shape(distance, like.low, like.high)


def ellipsoid(centre: Vector, radii: Vector, *, axes: np.ndarray | None = None) -> Shape:
    """Ellipsoid; the columns of `axes` are its unit axes (identity when absent)."""
    c, r = np.asarray(centre, np.float32), np.asarray(radii, np.float32)
    turn = None if axes is None else np.asarray(axes, np.float32)

    def distance(p: Points) -> np.ndarray:
        x, y, z = p.x - c[0], p.y - c[1], p.z - c[2]
        if turn is not None:
            x, y, z = (turn[0, k] * x + turn[1, k] * y + turn[2, k] * z for k in range(3))
        x, y, z = x / r[0], y / r[1], z / r[2]
        k0 = np.sqrt(x * x + y * y + z * z)
        k1 = np.sqrt((x / r[0]) ** 2 + (y / r[1]) ** 2 + (z / r[2]) ** 2)
        return np.asarray(k0 * (k0 - 1) / np.maximum(k1, 1e-6))

    reach = r if axes is None else np.sqrt((np.asarray(axes) ** 2) @ (r.astype(float) ** 2))
    return Shape(distance, c - reach, c + reach)


def column(centre: tuple[float, float], radii: tuple[float, float]) -> Shape:
    """Elliptic column along z."""
    cx, cy = np.float32(centre[0]), np.float32(centre[1])
    rx, ry = np.float32(radii[0]), np.float32(radii[1])

    def distance(p: Points) -> np.ndarray:
        x, y = (p.x - cx) / rx, (p.y - cy) / ry
        k0 = np.sqrt(x * x + y * y)
        k1 = np.sqrt((x / rx) ** 2 + (y / ry) ** 2)
        return np.asarray(k0 * (k0 - 1) / np.maximum(k1, 1e-6))

    low = np.array([cx - rx, cy - ry, -EVERYWHERE[2]])
    high = np.array([cx + rx, cy + ry, EVERYWHERE[2]])
    return Shape(distance, low, high)


def oval(*, half_width: float, front: float, back: float) -> Shape:
    """Superelliptic column (exponent 2.5) about the z axis with unequal front and back."""
    a, f, b = np.float32(half_width), np.float32(front), np.float32(back)

    def distance(p: Points) -> np.ndarray:
        x = np.abs(p.x) / a
        y = np.where(p.y > 0, p.y / f, -p.y / b)
        k = (x * x * np.sqrt(x) + y * y * np.sqrt(y)) ** np.float32(0.4)
        return np.asarray(np.sqrt(p.x**2 + p.y**2) * (1 - 1 / np.maximum(k, 0.02)))

    # The exponent is above 2, so the column reaches a little beyond the ellipse, not the box.
    low = np.array([-half_width, -back, -EVERYWHERE[2]])
    return Shape(distance, low, np.array([half_width, front, EVERYWHERE[2]]))


def half_space(point: Vector, normal: Vector) -> Shape:
    """The points on the side of a plane away from its normal."""
    n = np.asarray(normal, np.float32) / np.float32(np.linalg.norm(normal))
    offset = np.float32(np.dot(n, np.asarray(point, np.float32)))
    return everywhere(lambda p: np.asarray(n[0] * p.x + n[1] * p.y + n[2] * p.z - offset))


def smooth_path(points: Sequence[Vector], *, per_segment: int = 4) -> np.ndarray:
    """Catmull-Rom curve through points, any number of columns."""
    p = np.asarray(points, float)
    p = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
    out = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        t = (np.arange(per_segment) / per_segment)[:, None]
        out.append(
            b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        )
    return np.concatenate([*out, p[-2:-1]])


def tube(points: Sequence[Vector], radii: Sequence[float], *, per_segment: int = 3) -> Shape:
    """Smooth tube through points with a varying radius in mm."""
    knots = np.column_stack([np.asarray(points, float), np.asarray(radii, float)])
    path = smooth_path(list(knots), per_segment=per_segment).astype(np.float32)
    centre, radius = path[:, :3], np.maximum(path[:, 3], 0.3)

    def distance(p: Points) -> np.ndarray:
        best: np.ndarray | None = None
        for a, b, ra, rb in zip(centre[:-1], centre[1:], radius[:-1], radius[1:], strict=True):
            ab = b - a
            x, y, z = p.x - a[0], p.y - a[1], p.z - a[2]
            unit = ab / np.float32(max(float(ab @ ab), 1e-6))
            h = x * unit[0]
            h += y * unit[1]
            h += z * unit[2]
            np.clip(h, 0, 1, out=h)
            square = np.zeros_like(h)
            for part, step in zip((x, y, z), ab, strict=True):
                part -= h * step
                part *= part
                square += part
            d = np.sqrt(square, out=square)
            d -= ra + h * (rb - ra)
            best = d if best is None else np.minimum(best, d, out=best)
        assert best is not None
        return best

    reach = radius[:, None]
    return Shape(distance, (centre - reach).min(0), (centre + reach).max(0))
