"""Combinations of implicit shapes: unions, cuts, offsets and uneven boundaries."""

from __future__ import annotations

import numpy as np

from fedgin.data.phantom.shapes import Points, Shape, everywhere


def _smooth_min(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Polynomial smooth minimum: differs from the minimum only where |a - b| < blend."""
    if blend <= 0:
        return np.asarray(np.minimum(a, b))
    h = np.maximum(blend - np.abs(a - b), 0) / np.float32(blend)
    return np.asarray(np.minimum(a, b) - h * h * np.float32(blend / 4))


def union(*shapes: Shape, blend: float = 0.0) -> Shape:
    """Union; `blend` in mm fills the groove where the shapes meet."""

    def distance(p: Points) -> np.ndarray:
        out = shapes[0].distance(p)
        for shape in shapes[1:]:
            out = _smooth_min(out, shape.distance(p), blend)
        return out

    low = np.min([shape.low for shape in shapes], axis=0) - blend / 4
    high = np.max([shape.high for shape in shapes], axis=0) + blend / 4
    return Shape(distance, low, high)


def common(*shapes: Shape, blend: float = 0.0) -> Shape:
    """Intersection; `blend` in mm rounds the edge where the shapes cut each other."""

    def distance(p: Points) -> np.ndarray:
        out = -shapes[0].distance(p)
        for shape in shapes[1:]:
            out = _smooth_min(out, -shape.distance(p), blend)
        return -out

    low = np.max([shape.low for shape in shapes], axis=0)
    high = np.min([shape.high for shape in shapes], axis=0)
    return Shape(distance, low, high)


def outside(shape: Shape) -> Shape:
    """The complement."""
    return everywhere(lambda p: -shape.distance(p))


def cut(shape: Shape, *others: Shape, gap: float = 0.0, blend: float = 0.0) -> Shape:
    """A shape without the points nearer than `gap` mm to any of the others."""
    return common(shape, *(outside(offset(other, gap)) for other in others), blend=blend)


def offset(shape: Shape, amount: float) -> Shape:
    """A shape grown by an amount in mm (shrunk when negative)."""
    if amount == 0:
        return shape
    step = np.float32(amount)
    return Shape(lambda p: shape.distance(p) - step, shape.low - amount, shape.high + amount)


def uneven(shape: Shape, **amounts: float) -> Shape:
    """A shape whose boundary moves with named fields, by an amount in mm each."""

    def distance(p: Points) -> np.ndarray:
        out = shape.distance(p)
        for name, amount in amounts.items():
            out = out + np.float32(amount) * p.field(name)
        return out

    # Fields have unit variance: 2.5 standard deviations hold nearly all of the boundary.
    reach = 2.5 * sum(abs(amount) for amount in amounts.values())
    return Shape(distance, shape.low - reach, shape.high + reach)


def threads(first: str, second: str, *, radius: float, wavenumber: float) -> Shape:
    """Winding tubes: the neighbourhood of the curves on which two random fields vanish.

    The fields' rms slope turns the joint value into an approximate distance in mm.
    """
    scale = np.float32(1 / wavenumber)

    def distance(p: Points) -> np.ndarray:
        return np.asarray(
            np.sqrt(p.field(first) ** 2 + p.field(second) ** 2) * scale - np.float32(radius)
        )

    return everywhere(distance)
