"""The two transforms that a NIfTI header may hold, and whether they say the same."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

CODES = range(1, 6)
"""What the standard knows of sform_code and qform_code; 0 is none."""
APART_VOXELS = 0.5
"""Displacement of a corner from which the two transforms are told apart."""


def read_qform(fields: nib.Nifti1Header) -> np.ndarray:
    """Returns the qform as a (4, 4) affine in float64.

    Raises:
        HeaderDataError: It is no rotation with positive voxel sizes.
        ValueError: As there.
    """
    # The standard's own code reads any non-negative qfac, 0 included, as 1.
    fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1
    with np.errstate(all="ignore"):
        return np.asarray(fields.get_qform(), dtype=np.float64)


def transform_doubt(
    fields: nib.Nifti1Header, shape: tuple[int, int, int], affine: np.ndarray
) -> str | None:
    """Says how far sform and qform are apart, where both are there and do not agree.

    Programs differ in which of them they follow; this package follows the sform.

    Args:
        fields: The header.
        shape: Voxels along the three axes.
        affine: The transform that is followed.
    """
    if int(fields["sform_code"]) not in CODES or int(fields["qform_code"]) not in CODES:
        return None
    try:
        other = read_qform(fields)
    except (HeaderDataError, ValueError):
        return None  # nobody can follow it
    if not np.isfinite(other).all():
        return None
    ends = [(0, size - 1) for size in shape]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)], dtype=np.float64)
    with np.errstate(over="ignore"):
        moved = corners @ (affine - other).T
        apart = float(np.linalg.norm(moved[:, :3], axis=1).max())
    if apart <= APART_VOXELS * np.linalg.norm(affine[:3, :3], axis=0).min():
        return None
    return (
        f"sform and qform place the volume up to {apart:.3g} mm apart; the sform is followed, "
        "other programs may follow the qform"
    )
