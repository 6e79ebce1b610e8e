"""A volume: voxels and the affine that places them in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Volume:
    """Voxels on a regular grid in patient space.

    Attributes:
        array: Voxels, shape (X, Y, Z), in the order in which the file stores them.
        affine: Shape (4, 4), float64; maps voxel indices to RAS+ coordinates in mm.
        doubt: What its file says of the affine that cannot be all true; empty where nothing is.
    """

    array: np.ndarray
    affine: np.ndarray
    doubt: str = ""

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel in mm along the three array axes."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


@dataclass(frozen=True)
class LabelledVolume:
    """An image and the label map on the same grid.

    Attributes:
        image: Intensities, float32: HU for CT, arbitrary units for MR.
        label: Label values as the source stores them, an integer dtype.
    """

    image: Volume
    label: Volume
