"""Where an image's slices lie and what their stored values mean: of one frame or of many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.data.dicom.tags import MISSING, TagError, items, number, numbers, text, value, whole

MAX_FRAMES = 20_000


@dataclass(frozen=True)
class Frame:
    """A slice.

    Attributes:
        path: The file.
        index: Number of the frame in the file, from 0.
        sop_uid: Identifier of the object.
        position: Centre of the first pixel, LPS mm.
        orientation: Directions of a row and of a column: two unit vectors, LPS.
        spacing: Distances in mm between rows and between columns.
        scaling: Slope and intercept: value = stored * slope + intercept.
    """

    path: Path
    index: int
    sop_uid: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    scaling: tuple[float, float]


def read_frames(path: Path, header: Any) -> tuple[Frame, ...]:
    """Reads the places of all frames of an image.

    Args:
        path: The file.
        header: Its data set, without pixels.

    Raises:
        TagError: Elements are missing or wrong, or frames have no places of their own.
    """
    uid = text(header, "SOPInstanceUID")
    if value(header, "ModalityLUTSequence") is not None:
        rule = "stored values must become intensities by slope and intercept"
        raise TagError(rule, "a look-up table (ModalityLUTSequence)")
    count = whole(header, "NumberOfFrames", default=1)
    groups = items(header, "PerFrameFunctionalGroupsSequence")
    if not groups:
        if count != 1:
            rule = "an image of many frames must say where each lies (enhanced CT or MR)"
            raise TagError(rule, f"{count} frames without functional groups")
        needed = text(header, "Modality") == "CT"
        return (_frame(path, 0, uid, [header], scaled=needed),)
    if not 1 <= count <= MAX_FRAMES or count != len(groups):
        rule = f"an enhanced image must describe each of its frames, at most {MAX_FRAMES}"
        raise TagError(rule, f"NumberOfFrames {count}, {len(groups)} described")
    shared = items(header, "SharedFunctionalGroupsSequence")
    return tuple(
        _frame(path, index, uid, _groups([group, *shared]), scaled=False)
        for index, group in enumerate(groups)
    )


def _groups(group_items: list[Any]) -> list[Any]:
    """Lists the macros that hold a frame's place and scaling; its own come before the shared."""
    keywords = (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
    )
    return [macro for item in group_items for key in keywords for macro in items(item, key)[:1]]


def _frame(path: Path, index: int, uid: str, holders: list[Any], *, scaled: bool) -> Frame:
    wanted = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")
    found = {key: _holder(holders, key) for key in (*wanted, "RescaleSlope", "RescaleIntercept")}
    needed = tuple(found) if scaled else wanted
    missing = [key for key in needed if found[key] is None]
    if missing:
        raise TagError(MISSING, ", ".join(f"no {key}" for key in missing))
    row, column = numbers(found["PixelSpacing"], "PixelSpacing", 2)
    slope = number(found["RescaleSlope"] or {}, "RescaleSlope", default=1.0)
    if slope == 0:
        raise TagError("a rescale slope must not be 0", "RescaleSlope 0")
    return Frame(
        path=path,
        index=index,
        sop_uid=uid,
        position=numbers(found["ImagePositionPatient"], "ImagePositionPatient", 3),
        orientation=numbers(found["ImageOrientationPatient"], "ImageOrientationPatient", 6),
        spacing=(row, column),
        scaling=(
            slope,
            number(found["RescaleIntercept"] or {}, "RescaleIntercept", default=0.0),
        ),
    )


def _holder(holders: list[Any], keyword: str) -> Any:
    return next((holder for holder in holders if value(holder, keyword) is not None), None)
