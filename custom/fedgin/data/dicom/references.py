"""Whether a segmentation or contours belong to a series."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fedgin.data.dicom.series import Series
from fedgin.data.dicom.tags import items, text
from fedgin.errors import Problem

_MEND = "name the folder of the series that was segmented, or the label file of this one"


def referenced_series(data: Any) -> set[str]:
    """Lists the SeriesInstanceUIDs that a segmentation or a structure set refers to.

    Raises:
        TagError: The references are damaged.
    """
    direct = items(data, "ReferencedSeriesSequence")
    drawn = [
        series
        for frame in items(data, "ReferencedFrameOfReferenceSequence")
        for study in items(frame, "RTReferencedStudySequence")
        for series in items(study, "RTReferencedSeriesSequence")
    ]
    return {text(series, "SeriesInstanceUID") for series in (*direct, *drawn)}


def reference_problems(
    series: Series, *, where: str, uids: Collection[str], frame_of_reference: str
) -> list[Problem]:
    """Compares what an object refers to with a series.

    Args:
        series: The image series.
        where: The object's file, for messages.
        uids: SeriesInstanceUIDs that the object names; none where it names no series.
        frame_of_reference: The coordinate system that the object names; may be empty.
    """
    rule = "the label file must belong to the image series"
    problems = []
    if uids and series.uid not in uids:
        found = f"series {', '.join(repr(uid) for uid in sorted(uids))}, not '{series.uid}'"
        problems.append(Problem(where, rule, found, _MEND))
    own = series.frame_of_reference
    if frame_of_reference and own and frame_of_reference != own:
        found = f"frame of reference '{frame_of_reference}', not '{own}'"
        problems.append(Problem(where, rule, found, _MEND))
    if not uids and not (frame_of_reference and own):
        found = "neither a series nor a frame of reference"
        problems.append(Problem(where, rule, found, _MEND))
    return problems
