"""From a volume as scanned to the array that is trained on."""

from __future__ import annotations

import math

import nibabel
import numpy as np
from scipy import ndimage

from fedgin.data.nifti_header import MAX_VOXELS
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem

MR_CLIP_PERCENTILE = 99.5


def to_ras(volume: Volume) -> Volume:
    """Permutes and flips the axes so that they run to the right, to the front and to the head.

    No voxel changes its value; an oblique volume keeps its obliqueness.
    """
    orientation = nibabel.orientations.io_orientation(volume.affine)
    array = nibabel.orientations.apply_orientation(volume.array, orientation)
    inverse = nibabel.orientations.inv_ornt_aff(orientation, volume.array.shape)
    return Volume(array=array, affine=volume.affine @ inverse)


def resampled_shape(
    volume: Volume, *, spacing: tuple[float | None, float | None, float | None]
) -> tuple[int, int, int]:
    """Computes the shape that `resample` gives.

    Args:
        volume: The volume.
        spacing: Target spacing in mm along the array axes; None keeps the volume's own.
    """
    old = np.array(volume.spacing)
    wanted = np.array([o if s is None else s for o, s in zip(old, spacing, strict=True)])
    x, y, z = np.maximum(1, np.round(np.array(volume.array.shape) * old / wanted))
    return int(x), int(y), int(z)


def check_resampled(
    case: str, volume: Volume, *, spacing: tuple[float | None, float | None, float | None]
) -> None:
    """Refuses a volume that resampling would blow up.

    Args:
        case: Name of the case, for messages.
        volume: The volume, reoriented.
        spacing: As for `resample`.

    Raises:
        DataError: The result would have more than `MAX_VOXELS` voxels.
    """
    shape = resampled_shape(volume, spacing=spacing)
    if math.prod(shape) > MAX_VOXELS:
        raise DataError(
            Problem(
                case,
                f"a volume must have at most {MAX_VOXELS} voxels at the job's spacing",
                f"shape {shape}",
                "crop the volume, or train at a larger 'spacing'",
            )
        )


def resample(
    volume: Volume, *, spacing: tuple[float | None, float | None, float | None], order: int
) -> Volume:
    """Resamples to a spacing; the outer faces of the volume stay where they are.

    Args:
        volume: The volume.
        spacing: Target spacing in mm along the array axes; None keeps the volume's own.
        order: 1 for linear interpolation (images), 0 for the nearest neighbour (labels).
    """
    shape = np.array(resampled_shape(volume, spacing=spacing))
    ratio = np.array(volume.array.shape) / shape
    if np.allclose(ratio, 1.0, atol=1e-9):
        return volume
    offset = (ratio - 1) / 2  # voxel centres lie half a voxel inside the outer faces
    array = ndimage.affine_transform(
        volume.array,
        matrix=ratio,
        offset=offset,
        output_shape=tuple(shape),
        order=order,
        mode="nearest",
        prefilter=False,
    )
    step = np.eye(4)
    step[:3, :3] = np.diag(ratio)
    step[:3, 3] = offset
    return Volume(array=array, affine=volume.affine @ step)


def normalise(array: np.ndarray, *, modality: str, ct_window: tuple[float, float]) -> np.ndarray:
    """Brings intensities to a common scale.

    CT is clipped to the window in HU and mapped linearly to [-1, 1]: HU are absolute and stay so.
    MR has no unit: the top 0.5 % is clipped, then the volume is shifted and scaled to mean 0 and
    standard deviation 1.

    Args:
        array: Intensities of a whole volume.
        modality: "CT" or "MR".
        ct_window: Lower and upper end in HU.

    Returns:
        float32 of the same shape.
    """
    values = np.asarray(array, dtype=np.float32)
    if modality == "CT":
        low, high = ct_window
        return (np.clip(values, low, high) - low) * np.float32(2 / (high - low)) - 1
    values = np.minimum(values, np.float32(np.percentile(values, MR_CLIP_PERCENTILE)))
    mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    return (values - np.float32(mean)) / np.float32(max(deviation, 1e-6))
