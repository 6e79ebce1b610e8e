"""A scan as read, with what its results need to lie where it lies."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from fedgin.data.nifti import read_nifti
from fedgin.data.nifti_write import header_at, header_like
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem
from fedgin.predict.inputs import Input

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scan:
    """A scan.

    Attributes:
        volume: Intensities, float32, and the affine; zeros that take no memory once the intensities
            were given up.
        header: Header of a NIfTI label map on the same grid.
        modality: What the DICOM header says, such as "CT"; None for NIfTI, which says nothing.
        series: The DICOM series, its intensities given up as well; None for NIfTI.
    """

    volume: Volume
    header: nib.Nifti1Header
    modality: str | None = None
    series: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along the three axes."""
        return self.volume.array.shape

    @property
    def affine(self) -> np.ndarray:
        """Maps voxel indices to RAS+ coordinates in mm, shape (4, 4)."""
        return self.volume.affine

    def without_intensities(self) -> Scan:
        """Returns the scan without its intensities; their memory is free once nobody holds them."""
        empty = replace(self.volume, array=np.broadcast_to(np.float32(0), self.shape))
        series = None if self.series is None else replace(self.series, volume=empty)
        return replace(self, volume=empty, series=series)


def read_scan(item: Input) -> Scan:
    """Reads and checks a scan.

    Raises:
        DataError: It is unreadable or breaks a rule of the readers, or it is constant.
        ConfigError: It is DICOM, and the packages that read DICOM are not installed.
    """
    if item.kind == "dicom":
        from fedgin.data.dicom.series import read_series

        series = read_series(item.path)
        volume: Volume = series.volume
        scan = Scan(volume, header_at(volume.affine), series.modality, series)
    else:
        volume = read_nifti(item.path, kind="image")
        if volume.doubt:
            logger.warning("%s: %s: set both alike", item.path, volume.doubt)
        scan = Scan(volume, header_like(item.path))
    if volume.array.min() == volume.array.max():
        rule, mend = "an image must not be constant", "export it again; its voxels were lost"
        found = f"every voxel at {float(volume.array.min()):g}"
        raise DataError(Problem(str(item.path), rule, found, mend))
    return scan


def write_dicom_seg(
    path: Path, *, series: Any, label: np.ndarray, names: Mapping[int, str]
) -> None:
    """Writes a label map as DICOM SEG.

    Args:
        path: The file.
        series: The series that was segmented.
        label: Shape (X, Y, Z), uint8, on the series' grid.
        names: Structure by value, without the background.
    """
    from fedgin.data.dicom.seg import write_seg

    write_seg(path, series=series, labels=label, names=names)
