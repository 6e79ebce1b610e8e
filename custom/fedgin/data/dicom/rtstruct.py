"""Reading the contours of an RTSTRUCT onto the grid of the series that they were drawn on."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fedgin.data.dicom.instance import RTSTRUCT_CLASS
from fedgin.data.dicom.listing import LISTED
from fedgin.data.dicom.naming import NamedLabels, Naming
from fedgin.data.dicom.painting import Painter
from fedgin.data.dicom.polygon import fill
from fedgin.data.dicom.references import reference_problems, referenced_series
from fedgin.data.dicom.series import Series
from fedgin.data.dicom.stack import MAX_STEP_OFF
from fedgin.data.dicom.stream import MAX_CONTOUR_BYTES, read_data_set
from fedgin.data.dicom.tags import WRONG, TagError, items, text, whole
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem

logger = logging.getLogger(__name__)

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_DRAWN = "every contour must be closed and lie in a slice of the series"
_FILLED = "an ROI must have a contour on every slice from its first to its last"
_INTERPOLATE = "interpolate the contours where they were drawn, then export them again"
FEWEST_GAPS = 3
"""Parts of an organ may lie one above the other; gap after gap comes of skipped slices."""
_MEND = "export the contours on the images that they were drawn on"


def read_rtstruct(path: Path, series: Series, *, naming: Naming | None = None) -> NamedLabels:
    """Reads contours as a label map.

    A pixel belongs to an ROI where its centre lies within an odd number of the ROI's contours of
    its slice: a contour within another is a hole. An ROI that is listed and has no contour, as
    templates leave it, is as good as absent.

    Args:
        path: The RTSTRUCT file.
        series: The series that the contours were drawn on.
        naming: What the site calls the ROIs; by default every ROI keeps its number and its name.

    Returns:
        The labels; notes say how many contours reach beyond the images, and on how many slices
        between others an ROI has no contour.

    Raises:
        DataError: The file is unreadable or no RTSTRUCT, belongs to another series, holds open
            contours or such between slices, ROIs with contours on some slices only, as drawn to
            be interpolated, or ROIs that are used overlap; all that can be told is listed.
    """
    where = str(path)
    data = _open(path)
    try:
        names = {
            whole(item, "ROINumber"): text(item, "ROIName", needed=True)
            for item in items(data, "StructureSetROISequence")
        }
        problems = reference_problems(
            series,
            where=where,
            uids=referenced_series(data),
            frame_of_reference=_frame_of_reference(data),
        )
        if problems:
            raise DataError(problems)
        rois = [(whole(item, "ReferencedROINumber"), item) for item in _roi_contours(data)]
        values = _values(names, naming, drawn={number for number, _ in rois}, where=where)
        drawing = _Drawing(
            painter=Painter(series.volume.array.shape, names=naming.names if naming else names),
            to_index=np.linalg.inv(series.volume.affine),
            shape=series.volume.array.shape,
        )
        for number, item in rois:
            if number in values:
                drawing.draw(names[number], values[number], _contours(item))
    except TagError as error:
        raise DataError(Problem(where, *error.fault)) from None
    problems = [*_faults(drawing, where), *drawing.painter.problems(where)]
    if problems:
        raise DataError(problems)
    for note in drawing.notes:
        logger.warning("%s: %s", path, note)
    return NamedLabels(
        volume=Volume(array=drawing.painter.array, affine=series.volume.affine.copy()),
        names=naming.names if naming else names,
        notes=tuple(drawing.notes),
    )


@dataclass
class _Drawing:
    """Contours as they are painted, and what is wrong with them."""

    painter: Painter
    to_index: np.ndarray
    shape: tuple[int, ...]
    faults: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def draw(self, name: str, value: int, contours: Iterator[tuple[str, np.ndarray]]) -> None:
        """Fills all contours of an ROI, slice by slice."""
        columns, rows, slices = self.shape
        masks: dict[int, np.ndarray] = {}
        total = beyond = 0
        for number, (kind, points) in enumerate(contours, start=1):
            total = number
            indices = points * (-1, -1, 1) @ self.to_index[:3, :3].T + self.to_index[:3, 3]
            place = round(float(indices[:, 2].mean())) if len(indices) else 0
            fault = _contour_fault(kind, indices, place)
            if fault is not None:
                self.faults.append(f"contour {number} of '{name}' {fault}")
                continue
            low, high = indices[:, :2].min(axis=0), indices[:, :2].max(axis=0)
            outside = (low < -0.5).any() or (high > (columns - 0.5, rows - 0.5)).any()
            beyond += int(outside or not 0 <= place < slices)
            if 0 <= place < slices:
                mask = masks.setdefault(place, np.zeros((rows, columns), dtype=bool))
                mask ^= fill(indices[:, :2], (rows, columns))
        for place, mask in masks.items():
            self.painter.paint(place, mask, value)
        self._look_for_gaps(name, sorted(place for place, mask in masks.items() if mask.any()))
        if beyond:
            self.notes.append(
                f"{beyond} of {total} contours of '{name}' reach beyond the images and were cut off"
            )

    def _look_for_gaps(self, name: str, places: list[int]) -> None:
        """Tells of slices without a contour between an ROI's first and last."""
        gaps = [one - before - 1 for before, one in itertools.pairwise(places) if one > before + 1]
        if gaps:
            told = f"'{name}' has none on {sum(gaps)} slices, in {len(gaps)} places between others"
            (self.gaps if len(gaps) >= FEWEST_GAPS else self.notes).append(told)


def _contour_fault(kind: str, indices: np.ndarray, place: int) -> str | None:
    if kind not in CLOSED:
        return f"is of type {kind or 'none'}"
    if len(indices) < 3:
        return f"has {len(indices)} points"
    along = indices[:, 2]
    if abs(along - place).max() > MAX_STEP_OFF:
        if along.max() - along.min() > MAX_STEP_OFF:
            return f"runs from slice {along.min() + 1:.2f} to {along.max() + 1:.2f}"
        return f"lies between slices, at {along.mean() + 1:.2f}"
    return None


def _faults(drawing: _Drawing, where: str) -> list[Problem]:
    found = drawing.faults
    if not found:
        # Of contours that are wrong, gaps are what follows.
        gaps = "; ".join(drawing.gaps)
        return [Problem(where, _FILLED, gaps, _INTERPOLATE)] if gaps else []
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return [Problem(where, _DRAWN, "; ".join(found[:LISTED]) + more, _MEND)]


def _open(path: Path) -> Any:
    data = read_data_set(path, budget=MAX_CONTOUR_BYTES)
    try:
        sop_class = text(data, "SOPClassUID")
    except TagError as error:
        raise DataError(Problem(str(path), *error.fault)) from None
    if sop_class != RTSTRUCT_CLASS:
        rule = "the label file must be a radiotherapy structure set (RTSTRUCT)"
        mend = "name the RTSTRUCT file, or correct 'labels_as'"
        found = f"an object of class {sop_class or 'none'}"
        raise DataError(Problem(str(path), rule, found, mend))
    return data


def _roi_contours(data: Any) -> list[Any]:
    """Returns those items of the ROIs that hold a contour."""
    return [one for one in items(data, "ROIContourSequence") if items(one, "ContourSequence")]


def _values(
    names: Mapping[int, str], naming: Naming | None, *, drawn: Collection[int], where: str
) -> Mapping[int, int]:
    if naming is None:
        return {number: number for number in names}
    found = {number: name for number, name in names.items() if number in drawn}
    empty = [name for number, name in names.items() if number not in drawn]
    return naming.choose(found, where=where, empty=empty)


def _frame_of_reference(data: Any) -> str:
    """Finds the coordinate system; of several, the series says which one an ROI is drawn in."""
    frames = items(data, "ReferencedFrameOfReferenceSequence")
    found = {text(frame, "FrameOfReferenceUID") for frame in frames}
    return found.pop() if len(found) == 1 else ""


def _contours(roi: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yields type and points, shape (N, 3) in LPS mm, of the contours of an ROI."""
    for contour in items(roi, "ContourSequence"):
        yield text(contour, "ContourGeometricType"), _points(contour)


def _points(contour: Any) -> np.ndarray:
    """Reads the numbers from the bytes: an object for each takes fifty times the memory."""
    element = contour.get_item("ContourData") if "ContourData" in contour else None
    raw = getattr(element, "value", None)
    try:
        parts = raw.split(b"\\") if isinstance(raw, bytes) else list(raw or ())
        values = np.array([float(part) for part in parts])
    except (TypeError, ValueError):
        raise TagError(WRONG, "ContourData that is no list of numbers") from None
    if values.size % 3 or not np.isfinite(values).all():
        raise TagError(WRONG, f"ContourData of {values.size} numbers, not three finite to a point")
    return values.reshape(-1, 3)
