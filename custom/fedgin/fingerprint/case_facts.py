"""What one case contributes to its site's counts. It never leaves the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fedgin.data.labels import LabelMap
from fedgin.data.preprocess import to_ras
from fedgin.data.volume import LabelledVolume
from fedgin.fingerprint.bins import AXES, INTENSITY, VOLUME, VOTES, Bins, bins_of
from fedgin.tasks import Task

Counts = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class CaseFacts:
    """A case, counted.

    Attributes:
        patient: Identifier of the patient.
        modality: "CT" or "MR".
        counts: By quantity (see `bins.bins_of`) its counts, int64, shape (bins,): 1 in one bin, or
            `VOTES` spread over the bins of the intensity. A structure that the site does not
            annotate has none anywhere, and so has the intensity of a case without any structure.
    """

    patient: str
    modality: str
    counts: Counts


def case_facts(
    pair: LabelledVolume, *, patient: str, modality: str, label_map: LabelMap, task: Task
) -> CaseFacts:
    """Counts a case.

    Args:
        pair: Image and label map, checked.
        patient: Identifier of the patient.
        modality: "CT" or "MR".
        label_map: The site's labels.
        task: The task, whose structures are the foreground.
    """
    image = to_ras(pair.image)
    classes = label_map.to_classes(to_ras(pair.label).array)
    volumes = _volumes(classes, image.spacing, label_map, task)
    size = [edge * count for edge, count in zip(image.spacing, image.array.shape, strict=True)]
    values = {
        **{f"spacing_{axis}": v for axis, v in zip(AXES, image.spacing, strict=True)},
        **{f"size_{axis}": v for axis, v in zip(AXES, size, strict=True)},
        **{f"{VOLUME}{name}": volume for name, volume in volumes.items()},
    }
    counts = {}
    for name, bins in bins_of(modality, task).items():
        if name == "intensity":
            counts[name] = intensity_votes(image.array, classes > 0, modality=modality)
        else:
            counts[name] = _one(bins, values.get(name))
    return CaseFacts(patient=patient, modality=modality, counts=counts)


def intensity_votes(image: np.ndarray, foreground: np.ndarray, *, modality: str) -> np.ndarray:
    """Counts the foreground's intensities, `VOTES` in all, however many voxels there are.

    So every case weighs alike, as in nnU-Net, which samples as many foreground voxels from each
    case, and no patient can move the sums by more. Rounding is of the running sum: of all voxels
    up to any edge, the votes tell the share to within 1 / (2 VOTES).

    Args:
        image: Intensities.
        foreground: Which voxels count, bool of the same shape.
        modality: CT is counted in HU, MR by the rank in the volume; see `bins`.

    Returns:
        int64, shape (bins,); all 0 where there is no foreground.
    """
    bins = INTENSITY[modality]
    values = image[foreground].astype(np.float64)
    if modality == "MR" and values.size:
        ordered = np.sort(image, axis=None)
        values = 100.0 * np.searchsorted(ordered, values, side="right") / ordered.size
    return to_votes(np.bincount(bins.index(values), minlength=bins.number))


def to_votes(counts: np.ndarray) -> np.ndarray:
    """Scales counts to `VOTES` in all, in whole numbers; see `intensity_votes`."""
    running = np.cumsum(counts, dtype=np.int64)
    total = int(running[-1])
    if total == 0:
        return np.zeros(counts.size, dtype=np.int64)
    shares = (2 * VOTES * running + total) // (2 * total)
    return np.diff(shares, prepend=0)


def _volumes(
    classes: np.ndarray, spacing: tuple[float, ...], label_map: LabelMap, task: Task
) -> dict[str, float]:
    voxels = np.bincount(classes.ravel(), minlength=task.n_classes)
    millilitres = float(np.prod(spacing)) / 1000
    return {
        name: float(voxels[index]) * millilitres
        for index, name in enumerate(task.class_names, start=1)
        if name not in label_map.not_annotated
    }


def _one(bins: Bins, value: float | None) -> np.ndarray:
    counts = np.zeros(bins.number, dtype=np.int64)
    if value is not None:
        counts[bins.index(np.array([value]))[0]] = 1
    return counts
