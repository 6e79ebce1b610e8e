"""Volumes of structures in ml, and whether the field of view cuts them off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class OrganSize:
    """How much of a structure was found.

    Attributes:
        voxels: Voxels of the input's grid.
        millilitres: Their volume in ml.
        at_border: Whether any lies in an outermost layer of the volume.
    """

    voxels: int
    millilitres: float
    at_border: bool


def measure(label: np.ndarray, affine: np.ndarray, *, n_classes: int) -> list[OrganSize]:
    """Measures the structures 1 to n_classes - 1 of a label map.

    Args:
        label: Shape (X, Y, Z), uint8 class indices.
        affine: Shape (4, 4), voxel indices to mm.
        n_classes: Number of classes, the background included.
    """
    voxel = abs(float(np.linalg.det(affine[:3, :3]))) / _MM3_PER_ML
    counts = np.zeros(n_classes, dtype=np.int64)
    for place in range(label.shape[2]):
        counts += np.bincount(label[:, :, place].ravel(order="K"), minlength=n_classes)
    border: set[int] = set()
    for axis in range(3):
        for end in (0, -1):
            border.update(np.unique(label.take(end, axis=axis)).tolist())
    return [
        OrganSize(
            voxels=int(counts[index]),
            millilitres=int(counts[index]) * voxel,
            at_border=index in border,
        )
        for index in range(1, n_classes)
    ]
