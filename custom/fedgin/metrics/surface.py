"""Distances between surfaces, in mm, per patient and class: HD95 and normalised surface Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERCENTILE = 95


@dataclass(frozen=True)
class SurfaceScores:
    """How far apart the surfaces of one patient's classes are.

    Attributes:
        hd95: Shape (n_classes - 1,), float64, mm, at least 0; nan for a class in neither volume.
        nsd: Shape (n_classes - 1,), float64, in [0, 1]; nan for a class in neither volume.
    """

    hd95: np.ndarray
    nsd: np.ndarray


def surface_per_class(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    n_classes: int,
    spacing: Sequence[float],
    tolerance_mm: float,
) -> SurfaceScores:
    """Computes HD95 and normalised surface Dice of each class over a whole volume.

    The surface of a class is the set of its voxels that have at least one of their six face
    neighbours outside the class (the mask less its erosion); beyond the image there is nothing,
    so a voxel of the class on the image's border is on the surface. A distance is Euclidean, in
    mm, from the centre of a surface voxel to the centre of the nearest surface voxel of the other
    volume (single precision). The results are those of MONAI's
    `compute_hausdorff_distance(percentile=95)` and `compute_surface_dice(use_subvoxels=False)`;
    edges and distances are found once for both metrics, and only within the class's box.

    HD95: the larger of the two directed 95th percentiles, prediction to truth and truth to
    prediction, each interpolated linearly between order statistics.

    NSD: (surface voxels of either volume within the tolerance of the other's surface, the
    tolerance included) / (surface voxels of both). Every surface voxel counts 1, whatever area of
    surface runs through it (Nikolov et al., arXiv 1809.04430, weight by area; Seidlitz et al.,
    arXiv 2111.05408, and MONAI's default count as here).

    A class that only one volume has, missed or invented, has no distance. By rule its HD95 is
    the diagonal of the whole image in mm, and its NSD is 0.

    Args:
        prediction: Class indices, integer, shape (Z, Y, X).
        truth: Class indices of the same shape.
        n_classes: Number of classes with the background, which is left out.
        spacing: Size of a voxel in mm along z, y, x.
        tolerance_mm: Distance in mm up to which surfaces count as equal, at least 0.

    Raises:
        ValueError: The shapes differ or have not three axes, the values are no integers, or
            spacing or tolerance are out of range.
    """
    _check_volumes(prediction, truth)
    millimetres = checked_spacing(spacing)
    if not (np.isfinite(tolerance_mm) and tolerance_mm >= 0):
        raise ValueError(f"tolerance_mm {tolerance_mm} must be finite and at least 0")
    diagonal = image_diagonal(truth.shape, millimetres)
    hd95, nsd = np.full((2, n_classes - 1), np.nan)
    boxes = zip(_boxes(prediction, n_classes), _boxes(truth, n_classes), strict=True)
    for index, (in_prediction, in_truth) in enumerate(boxes):
        if in_prediction is None and in_truth is None:
            continue
        if in_prediction is None or in_truth is None:
            hd95[index], nsd[index] = diagonal, 0.0
            continue
        # Outside the joint box there is nothing of the class, as beyond the image's border: the
        # surfaces, and so both metrics, are those of the whole volume, without any margin.
        box = _joint(in_prediction, in_truth)
        distances = _distances(
            prediction[box] == index + 1, truth[box] == index + 1, spacing=millimetres
        )
        hd95[index] = max(
            float(np.percentile(directed.astype(np.float64), PERCENTILE)) for directed in distances
        )
        # In single precision on both sides: a distance of exactly the tolerance is within it.
        within = np.concatenate(distances) <= np.float32(tolerance_mm)
        nsd[index] = np.count_nonzero(within) / within.size
    return SurfaceScores(hd95=hd95, nsd=nsd)


def image_diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Returns the diagonal of an image in mm: sqrt(sum over axes of (voxels * spacing)^2).

    Args:
        shape: Voxels along each axis.
        spacing: Size of a voxel in mm along each axis.
    """
    return float(np.linalg.norm(np.asarray(shape) * np.asarray(spacing, dtype=np.float64)))


def checked_spacing(spacing: Sequence[float]) -> tuple[float, float, float]:
    """Returns a spacing as three floats.

    Args:
        spacing: Size of a voxel in mm along z, y, x.

    Raises:
        ValueError: It is not three positive, finite numbers.
    """
    try:
        sizes = np.asarray(spacing, dtype=np.float64)
    except (TypeError, ValueError):
        sizes = np.empty(0)
    if sizes.shape != (3,) or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError(f"spacing {spacing!r} must be three positive, finite numbers in mm")
    z, y, x = sizes.tolist()
    return z, y, x


def _check_volumes(prediction: np.ndarray, truth: np.ndarray) -> None:
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    if truth.ndim != 3:
        raise ValueError(f"the shape {truth.shape} of prediction and truth must be (Z, Y, X)")
    for name, volume in (("prediction", prediction), ("truth", truth)):
        if not np.issubdtype(volume.dtype, np.integer):
            raise ValueError(f"{name} must hold integer class indices, not {volume.dtype}")


def _boxes(volume: np.ndarray, n_classes: int) -> list[tuple[slice, ...] | None]:
    """Returns the bounding box of each class but the background; None where it is absent."""
    from scipy.ndimage import find_objects

    found: list[tuple[slice, ...] | None] = find_objects(volume, max_label=n_classes - 1)
    return found


def _joint(first: tuple[slice, ...], second: tuple[slice, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )


def _distances(
    prediction: np.ndarray, truth: np.ndarray, *, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distances of all surface voxels, prediction to truth and truth to prediction.

    Args:
        prediction: Mask, shape (Z, Y, X), neither empty.
        truth: Mask of the same shape.
        spacing: Size of a voxel in mm along z, y, x.

    Returns:
        One float32 distance in mm for each surface voxel of the prediction, and of the truth.
    """
    edges, true_edges = _edges(prediction), _edges(truth)
    return (
        _directed(edges, true_edges, spacing=spacing),
        _directed(true_edges, edges, spacing=spacing),
    )


def _edges(mask: np.ndarray) -> np.ndarray:
    """Marks the voxels of a mask that have a face neighbour outside it, or outside the array."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        of, inside = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)  # views
        inside[1:] &= of[:-1]
        inside[:-1] &= of[1:]
        inside[0] = inside[-1] = False
    return mask & ~inner


def _directed(
    edges: np.ndarray, others: np.ndarray, *, spacing: tuple[float, float, float]
) -> np.ndarray:
    """Returns the distance in mm of each marked voxel to the nearest of the others, unordered."""
    from scipy.spatial import KDTree

    away = np.argwhere(edges & ~others) * np.array(spacing)
    common = np.zeros(np.count_nonzero(edges & others), dtype=np.float32)
    if not len(away):
        return common
    # A tree that is asked once: large leaves are built faster.
    tree = KDTree(np.argwhere(others) * np.array(spacing), leafsize=32)
    return np.concatenate([common, tree.query(away)[0].astype(np.float32)])
