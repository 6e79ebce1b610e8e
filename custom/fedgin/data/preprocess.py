"""From a volume as scanned to the array that is trained on."""

from __future__ import annotations

import nibabel
import numpy as np
from scipy import ndimage

from fedgin.data.volume import Volume

MR_CLIP_PERCENTILE = 99.5


def to_ras(volume: Volume) -> Volume:
    """Permutes and flips the axes so that they run to the right, to the front and to the head.

    No voxel changes its value; an oblique volume keeps its obliqueness.
    """
    orientation = nibabel.orientations.io_orientation(volume.affine)
    array = nibabel.orientations.apply_orientation(volume.array, orientation)
    inverse = nibabel.orientations.inv_ornt_aff(orientation, volume.array.shape)
    return Volume(array=array, affine=volume.affine @ inverse)


def resample(
    volume: Volume, *, spacing: tuple[float | None, float | None, float | None], order: int
) -> Volume:
    """Resamples to a spacing; the outer faces of the volume stay where they are.

    Args:
        volume: The volume.
        spacing: Target spacing in mm along the array axes; None keeps the volume's own.
        order: 1 for linear interpolation (images), 0 for the nearest neighbour (labels).
    """
    old = np.array(volume.spacing)
    wanted = np.array([o if s is None else s for o, s in zip(old, spacing, strict=True)])
    shape = np.maximum(1, np.round(np.array(volume.array.shape) * old / wanted)).astype(int)
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
