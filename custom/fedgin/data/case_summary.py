"""What a case holds, for reports: geometry, intensities and voxels per structure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from fedgin.data.volume import LabelledVolume, Volume

_CHUNK_VOXELS = 2**20


@dataclass(frozen=True)
class CaseSummary:
    """A case in a few figures.

    Attributes:
        case: Name of the case.
        shape: Voxels along the three axes.
        spacing: Edge lengths of a voxel in mm.
        orientation: Directions towards which the axes point, such as RAS or LPS.
        intensity_range: Lowest and highest intensity: HU for CT, arbitrary units for MR.
        voxels_by_name: Name of a structure -> its voxels, 0 where it is absent. Background is
            left out, and so are values that the site's map does not know.
        has_foreground: Whether any known structure has a voxel. A case without is allowed.
    """

    case: str
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    orientation: str
    intensity_range: tuple[float, float]
    voxels_by_name: Mapping[str, int]
    has_foreground: bool


def count_values(label: Volume) -> dict[int, int]:
    """Count the voxels of each value that occurs, in ascending order of the values."""
    # Chunks keep what is made here small beside the volume; order "K" avoids a copy.
    flat = label.array.ravel(order="K")
    counts: dict[int, int] = {}
    for start in range(0, flat.size, _CHUNK_VOXELS):
        for value, number in _count(flat[start : start + _CHUNK_VOXELS]):
            counts[value] = counts.get(value, 0) + number
    return dict(sorted(counts.items()))


def _count(flat: np.ndarray) -> Iterator[tuple[int, int]]:
    if flat.dtype in (np.uint8, np.uint16):  # few possible values: no need to sort
        numbers = np.bincount(flat)
        values = np.flatnonzero(numbers)
        numbers = numbers[values]
    else:
        values, numbers = np.unique(flat, return_counts=True)
    yield from zip(values.tolist(), numbers.tolist(), strict=True)


def foreground_count(label: Volume, values: Iterable[int]) -> int:
    """Count the voxels with one of the given values; 0 is background and never counts."""
    wanted = set(values) - {0}
    return sum(number for value, number in count_values(label).items() if value in wanted)


def summarise_pair(
    case: str, pair: LabelledVolume, *, known_values: Mapping[int, str]
) -> CaseSummary:
    """Describe a case.

    Args:
        case: Name of the case.
        pair: Image and label map.
        known_values: The site's map, label value -> name; 0 is background. Several values may
            share a name, and then count together.

    Returns:
        The summary.
    """
    counts = count_values(pair.label)
    background = known_values.get(0, "background")
    voxels = {name: 0 for name in known_values.values() if name != background}
    for value, name in known_values.items():
        if name != background:
            voxels[name] += counts.get(value, 0)
    image = pair.image
    return CaseSummary(
        case=case,
        shape=image.array.shape,
        spacing=image.spacing,
        orientation="".join(str(axis) for axis in nib.aff2axcodes(image.affine)),
        intensity_range=(float(image.array.min()), float(image.array.max())),
        voxels_by_name=voxels,
        has_foreground=any(voxels.values()),
    )
