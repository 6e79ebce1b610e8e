"""Reading a DICOM segmentation (SEG) onto the grid of the series that was segmented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedgin.data.dicom.frames import read_frames
from fedgin.data.dicom.instance import SEG_CLASSES
from fedgin.data.dicom.listing import LISTED
from fedgin.data.dicom.naming import NamedLabels, Naming
from fedgin.data.dicom.painting import Painter
from fedgin.data.dicom.references import reference_problems, referenced_series
from fedgin.data.dicom.seg_grid import grid_problems, slices_of, source_problems
from fedgin.data.dicom.seg_pixels import seg_frames
from fedgin.data.dicom.series import Series
from fedgin.data.dicom.stream import read_data_set
from fedgin.data.dicom.tags import TagError, items, syntax_of, text, whole
from fedgin.data.dicom.write_seg import write_seg
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem

__all__ = ["read_named_seg", "read_seg", "write_seg"]

_SYNTAXES = (
    "1.2.840.10008.1.2",  # implicit and explicit little endian
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.80",  # JPEG-LS and JPEG 2000 without loss
    "1.2.840.10008.1.2.4.90",
)
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "Modality", "FrameOfReferenceUID", "Rows", "Columns"),
    *("ReferencedSeriesSequence", "SegmentSequence", "SegmentationType", "NumberOfFrames"),
    *("MaximumFractionalValue", "SharedFunctionalGroupsSequence", "BitsAllocated"),
    "PerFrameFunctionalGroupsSequence",
]
_DESCRIBED = "every segment number that occurs must be described as a segment"


def read_seg(path: Path, series: Series) -> Volume:
    """Reads a segmentation; the label values are its segment numbers.

    Raises:
        DataError: As for `read_named_seg`.
    """
    return read_named_seg(path, series).volume


def read_named_seg(path: Path, series: Series, *, naming: Naming | None = None) -> NamedLabels:
    """Reads a segmentation and what its values mean.

    Slices without a frame are background: writers leave empty frames out.

    Args:
        path: The SEG file.
        series: The series that it was drawn on.
        naming: What the site calls the segments; by default every segment keeps its number and
            its label.

    Raises:
        DataError: The file is unreadable or no segmentation, belongs to another series or grid,
            is graded (fractional), or segments that are used overlap; all that can be told is
            listed.
    """
    segmentation = _open(path)
    facts = _checked(segmentation, path, series)
    where = str(path)
    if naming is None:
        values, names = {number: number for number in facts.names}, facts.names
    else:
        values, names = naming.choose(facts.names, where=where), naming.names
    painter = Painter(series.volume.array.shape, names=names)
    used = [k for k, number in enumerate(facts.numbers) if number is None or number in values]
    for index, pixels in zip(used, seg_frames(path, segmentation, used), strict=True):
        number, place = facts.numbers[index], facts.places[index]
        if number is None:
            _paint_map(painter, place, pixels, values, facts.names, where)
        else:
            painter.paint(place, _mask(pixels, facts.full, where), values[number])
    if overlaps := painter.problems(where):
        raise DataError(overlaps)
    volume = Volume(array=painter.array, affine=series.volume.affine.copy())
    return NamedLabels(volume=volume, names=names)


@dataclass(frozen=True)
class _Facts:
    """What a segmentation's header says.

    Attributes:
        names: Labels of the segments by number.
        numbers: Segment of each frame; None where a frame holds numbers of segments itself.
        places: Slice of each frame.
        full: What a pixel of a segment holds.
    """

    names: dict[int, str]
    numbers: list[int | None]
    places: list[int]
    full: int


def _checked(segmentation: Any, path: Path, series: Series) -> _Facts:
    """Reads a header and checks that the segmentation lies on the series.

    Raises:
        DataError: It does not, or elements are missing.
    """
    where = str(path)
    try:
        frames = read_frames(path, segmentation)
        problems = reference_problems(
            series,
            where=where,
            uids=referenced_series(segmentation),
            frame_of_reference=text(segmentation, "FrameOfReferenceUID"),
        )
        problems += grid_problems(segmentation, frames, series, where)
        problems = problems or source_problems(segmentation, frames, series, where)
        if problems:
            raise DataError(problems)
        names, kind = _segments(segmentation), text(segmentation, "SegmentationType")
        numbers: list[int | None] = [None] * len(frames)
        if kind != "LABELMAP":
            numbers = _numbers(segmentation)
        if unknown := sorted({n for n in numbers if n is not None and n not in names}):
            raise TagError(_DESCRIBED, f"{unknown[:LISTED]}", "export it again")
        highest = whole(segmentation, "MaximumFractionalValue", default=1)
        if (bits := whole(segmentation, "BitsAllocated")) not in (1, 8, 16):
            raise TagError("a segmentation must have 1, 8 or 16 bits a pixel", f"{bits} bits")
        return _Facts(
            names=names,
            numbers=numbers,
            places=slices_of(frames, series),
            full=highest if kind == "FRACTIONAL" else 1,
        )
    except TagError as error:
        raise DataError(Problem(where, *error.fault)) from None


def _open(path: Path) -> Any:
    data = read_data_set(path, tags=_TAGS)
    try:
        sop_class, syntax = text(data, "SOPClassUID"), syntax_of(data)
    except TagError as error:
        raise DataError(Problem(str(path), *error.fault)) from None
    if sop_class not in SEG_CLASSES:
        rule = "the label file must be a DICOM segmentation (SEG)"
        mend = "name the SEG file, or correct 'labels_as'"
        found = f"an object of class {sop_class or 'none'}"
        raise DataError(Problem(str(path), rule, found, mend))
    if syntax not in _SYNTAXES:
        rule = "a segmentation must be uncompressed, or RLE, JPEG-LS or JPEG 2000 without loss"
        found = f"transfer syntax {syntax.name or 'none'}"
        raise DataError(Problem(str(path), rule, found, "export it uncompressed"))
    return data


def _segments(segmentation: Any) -> dict[int, str]:
    """Lists the labels of the segments by their numbers; a label map may describe 0 as well."""
    found = {
        whole(item, "SegmentNumber"): text(item, "SegmentLabel", needed=True)
        for item in items(segmentation, "SegmentSequence")
    }
    found.pop(0, None)
    return dict(sorted(found.items()))


def _numbers(segmentation: Any) -> list[int | None]:
    """Lists the segment number of each frame."""
    found: list[int | None] = []
    for group in items(segmentation, "PerFrameFunctionalGroupsSequence"):
        shared = items(segmentation, "SharedFunctionalGroupsSequence")
        holders = [
            holder
            for item in (group, *shared)
            for holder in items(item, "SegmentIdentificationSequence")
        ]
        found.append(whole(holders[0] if holders else {}, "ReferencedSegmentNumber"))
    return found


def _mask(pixels: np.ndarray, full: int, where: str) -> np.ndarray:
    if ((pixels != 0) & (pixels != full)).any():
        rule = "a voxel must belong to a segment or not"
        found = "a fractional segmentation with values in between"
        mend = "export a binary segmentation"
        raise DataError(Problem(where, rule, found, mend))
    mask: np.ndarray = pixels != 0
    return mask


def _paint_map(
    painter: Painter,
    place: int,
    pixels: np.ndarray,
    values: Mapping[int, int],
    found: Mapping[int, str],
    where: str,
) -> None:
    numbers = [int(number) for number in np.unique(pixels) if number]
    unknown = [number for number in numbers if number not in found]
    if unknown:
        raise DataError(Problem(where, _DESCRIBED, f"{unknown[:LISTED]}", "export it again"))
    for number in numbers:
        if number in values:
            painter.paint(place, pixels == number, values[number])
