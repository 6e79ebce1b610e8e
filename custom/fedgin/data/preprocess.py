"""From a volume as scanned to the array that is trained on."""

from __future__ import annotations

import math

import nibabel
import numpy as np
from scipy import ndimage

from fedgin.data.nifti_header import MAX_VOXELS
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem
from fedgin.settings import MR_CLIP_PERCENTILE

_SLAB = 16
"""Slices that are normalised at a time where a slice needs no other."""


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


def normalise(
    array: np.ndarray,
    *,
    modality: str,
    ct_window: tuple[float, float],
    mr_percentile: float = MR_CLIP_PERCENTILE,
) -> np.ndarray:
    """Brings intensities to a common scale.

    CT is clipped to the window in HU and mapped linearly to [-1, 1]: HU are absolute and stay so.
    MR has no unit: its top is clipped, 0.5 % by default, then the volume is shifted and scaled to
    mean 0 and standard deviation 1.

    Args:
        array: Intensities of a whole volume.
        modality: "CT" or "MR".
        ct_window: Lower and upper end in HU.
        mr_percentile: Percentile to which MR is clipped from above.

    Returns:
        float32 of the same shape.
    """
    values = np.asarray(array, dtype=np.float32)
    if modality == "CT":
        low, high = ct_window
        return (np.clip(values, low, high) - low) * np.float32(2 / (high - low)) - 1
    values = np.minimum(values, np.float32(np.percentile(values, mr_percentile)))
    mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    return (values - np.float32(mean)) / np.float32(max(deviation, 1e-6))


def prepare_image(
    case: str,
    volume: Volume,
    *,
    modality: str,
    spacing: tuple[float | None, float | None, float | None],
    ct_window: tuple[float, float],
    mr_percentile: float = MR_CLIP_PERCENTILE,
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Brings an image as scanned to the grid and the scale that networks are given.

    Args:
        case: Name of the case, for messages.
        volume: The image, float32: HU for CT, arbitrary units for MR.
        modality: "CT" or "MR".
        spacing: As for `resample`, along x, y, z of the reoriented volume.
        ct_window: As for `normalise`.
        mr_percentile: As for `normalise`.

    Returns:
        Shape (Z, Y, X), float16, and the spacing in mm along z, y, x.

    Raises:
        DataError: The result would have more than `MAX_VOXELS` voxels.
    """
    upright = to_ras(volume)
    check_resampled(case, upright, spacing=spacing)
    image = resample(upright, spacing=spacing, order=1)
    slices = image.array.transpose(2, 1, 0)
    # Half precision keeps three digits, more than the noise of any scan.
    prepared = np.empty(slices.shape, dtype=np.float16)
    # A HU is scaled for itself, an MR intensity by what the whole volume holds.
    step = _SLAB if modality == "CT" else len(slices)
    for start in range(0, len(slices), step):
        part = slices[start : start + step]
        prepared[start : start + step] = normalise(
            part, modality=modality, ct_window=ct_window, mr_percentile=mr_percentile
        )
    x, y, z = image.spacing
    return prepared, (z, y, x)
