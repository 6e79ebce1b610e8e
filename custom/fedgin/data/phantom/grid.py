"""Voxel grids: native spacing, field of view, obliqueness and storage order per case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# In-plane spacing, slice spacing, in-plane voxels, slices. CT is read at 3 x 3 x 5 mm, MR on
# its own, slightly finer matrix with thicker slices, as clinical protocols do.
_NATIVE: dict[tuple[str, str], tuple[float, float, int, int]] = {
    ("heart", "CT"): (3.0, 5.0, 112, 32),
    ("heart", "MR"): (2.6, 6.0, 128, 27),
    ("abdomen", "CT"): (3.0, 5.0, 124, 40),
    ("abdomen", "MR"): (2.9, 6.0, 128, 34),
}


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid in patient space.

    Attributes:
        shape: Voxels along the three axes.
        affine: Shape (4, 4), float64; voxel indices to RAS+ mm.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> np.ndarray:
        """Voxel edges in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))


@dataclass(frozen=True)
class GridDraw:
    """What varies between the grids of cases.

    Attributes:
        spacing: Voxel edges in mm along the canonical axes (right, anterior, superior).
        shape: Voxels along the canonical axes.
        centre: Patient position of the middle of the volume, mm.
        angles: Rotations about the three axes in degrees (oblique acquisition; MR only).
        order: The canonical axis stored as the first, second and third array axis.
        flips: Whether each stored axis runs against its canonical direction.
    """

    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    centre: tuple[float, float, float]
    angles: tuple[float, float, float]
    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]


# Storage orders that scanners and converters really write; the slice axis comes first rarely.
_ORDERS: tuple[tuple[int, int, int], ...] = ((0, 1, 2), (0, 1, 2), (0, 1, 2), (1, 0, 2), (2, 1, 0))


def draw_grid(rng: np.random.Generator, *, task: str, modality: str) -> GridDraw:
    """Draws the grid of one case."""
    plane, slices, count, depth = _NATIVE[task, modality]
    plane *= float(rng.uniform(0.95, 1.05))
    slices *= float(rng.uniform(0.95, 1.05))
    extra = int(rng.integers(-2, 3)) * 2
    centre = rng.normal(0, (4.0, 4.0, 3.0))
    angles = rng.uniform(-6, 6, size=3) if modality == "MR" else np.zeros(3)
    order = _ORDERS[int(rng.integers(len(_ORDERS)))]
    flips = rng.integers(0, 2, size=3).astype(bool)
    return GridDraw(
        spacing=(plane, plane, slices),
        shape=(count + extra, count + extra, depth + int(rng.integers(-1, 2))),
        centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        angles=(float(angles[0]), float(angles[1]), float(angles[2])),
        order=order,
        flips=(bool(flips[0]), bool(flips[1]), bool(flips[2])),
    )


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    """Rotation matrix of successive turns about x, y and z, angles in degrees."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(angles)):
        one, two = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    return out


def canonical_grid(draw: GridDraw) -> Grid:
    """The grid with axes right, anterior, superior, on which the anatomy is rendered."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(draw.angles) * np.asarray(draw.spacing)
    middle = (np.asarray(draw.shape) - 1) / 2
    affine[:3, 3] = np.asarray(draw.centre) - affine[:3, :3] @ middle
    return Grid(draw.shape, affine)


def to_storage(
    array: np.ndarray, affine: np.ndarray, draw: GridDraw
) -> tuple[np.ndarray, np.ndarray]:
    """Reorders and flips the axes of an array and changes the affine with them."""
    stored = np.transpose(array, draw.order)
    matrix = affine[:, [*draw.order, 3]].copy()
    for axis, flip in enumerate(draw.flips):
        if flip:
            stored = np.flip(stored, axis)
            matrix[:3, 3] += matrix[:3, axis] * (stored.shape[axis] - 1)
            matrix[:3, axis] *= -1
    return np.ascontiguousarray(stored), matrix
