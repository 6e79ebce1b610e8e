"""Frames of a segmentation matched to the slices of a series, by place and by reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fedgin.data.dicom.frames import Frame
from fedgin.data.dicom.listing import LISTED
from fedgin.data.dicom.series import Series
from fedgin.data.dicom.stack import MAX_STEP_OFF, SAME_DIRECTION, SAME_SPACING
from fedgin.data.dicom.tags import items, text, whole
from fedgin.errors import Problem

_GRID = "every frame of a segmentation must lie on a slice of the series"
_RESAMPLE = "export the segmentation on the grid of the images that it was drawn on"


def _indices(frames: Sequence[Frame], series: Series) -> np.ndarray:
    """Column, row and slice of each frame's first pixel in the series' grid."""
    positions = np.array([frame.position for frame in frames]) * (-1, -1, 1)
    inverse = np.linalg.inv(series.volume.affine)
    indices: np.ndarray = positions @ inverse[:3, :3].T + inverse[:3, 3]
    return indices


def slices_of(frames: Sequence[Frame], series: Series) -> list[int]:
    """Finds the nearest slice of each frame, by its number from 0."""
    return [round(float(place)) for place in _indices(frames, series)[:, 2]]


def grid_problems(
    segmentation: Any, frames: Sequence[Frame], series: Series, where: str
) -> list[Problem]:
    """Compares size, direction, spacing and place of frames with the slices.

    Args:
        segmentation: The SEG's data set.
        frames: Its frames.
        series: The series that it should lie on.
        where: The file, for messages.

    Raises:
        TagError: Rows or columns are missing.
    """
    columns, rows, slices = series.volume.array.shape
    size = (whole(segmentation, "Rows"), whole(segmentation, "Columns"))
    if size != (rows, columns):
        found = f"frames of {size[0]} x {size[1]} pixels on slices of {rows} x {columns}"
        return [Problem(where, _GRID, found, _RESAMPLE)]
    own = series.frames[0]
    faults: list[str] = []
    for number, (frame, index) in enumerate(
        zip(frames, _indices(frames, series), strict=True), start=1
    ):
        place = round(float(index[2]))
        if not np.allclose(frame.orientation, own.orientation, rtol=0, atol=SAME_DIRECTION):
            faults.append(f"frame {number} is turned or flipped against the images")
        elif not np.allclose(frame.spacing, own.spacing, rtol=SAME_SPACING, atol=0):
            faults.append(f"frame {number} has pixels of another size")
        elif abs(index - (0, 0, place)).max() > MAX_STEP_OFF:
            column, row, slices_off = np.round(index, 2) + 0.0  # no -0.00
            faults.append(
                f"frame {number} begins at column {column:.2f}, row {row:.2f} "
                f"of slice {slices_off + 1:.2f}"
            )
        elif not 0 <= place < slices:
            faults.append(f"frame {number} lies beyond the {slices} slices, at {place + 1}")
    return _listed(faults, where)


def _listed(faults: list[str], where: str) -> list[Problem]:
    if not faults:
        return []
    more = f" and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
    return [Problem(where, _GRID, "; ".join(faults[:LISTED]) + more, _RESAMPLE)]


def source_problems(
    segmentation: Any, frames: Sequence[Frame], series: Series, where: str
) -> list[Problem]:
    """Compares the images that frames say they were drawn on with those where they lie.

    Args:
        segmentation: The SEG's data set.
        frames: Its frames, which lie on slices of the series.
        series: The series.
        where: The file, for messages.

    Raises:
        TagError: References are damaged.
    """
    faults = []
    known = {frame.sop_uid for frame in series.frames}
    groups = items(segmentation, "PerFrameFunctionalGroupsSequence")
    for number, (group, place) in enumerate(
        zip(groups, slices_of(frames, series), strict=True), start=1
    ):
        sources = {
            text(source, "ReferencedSOPInstanceUID")
            for derivation in items(group, "DerivationImageSequence")
            for source in items(derivation, "SourceImageSequence")
        }
        if sources and series.frames[place].sop_uid not in sources:
            what = "another image" if sources & known else "an image of another series"
            faults.append(f"frame {number} lies on slice {place + 1} and was drawn on {what}")
    return _listed(faults, where)
