"""Small NIfTI scans on grids as scanners leave them: turned, flipped and with thick slices."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

TURN = 0.12
"""Radians about the patient's long axis."""

# Columns: where the stored axes lead, in mm per voxel.
STORED = {
    "axial RAS": np.diag([2.3, 3.1, 6.0]),
    "coronal, flipped": np.array([[0, 0, -3.1], [2.3, 0, 0], [0, 6.0, 0]]),
    "axial LPS": np.diag([-4.7, -2.1, 5.0]),
}


def write_scan(
    path: Path, *, shape: tuple[int, int, int] = (40, 14, 36), stored: str = "coronal, flipped"
) -> Path:
    """Writes smooth random tissue, about 100 +- 500."""
    noise = np.random.default_rng(7).normal(size=shape)
    values = ndimage.gaussian_filter(noise, (2, 1, 2))
    values = 100 + 500 * values / values.std()
    cosine, sine = np.cos(TURN), np.sin(TURN)
    affine = np.eye(4)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    affine[:3, :3] = turn @ STORED[stored]
    affine[:3, 3] = 50, -20, 7
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), path)
    return path
