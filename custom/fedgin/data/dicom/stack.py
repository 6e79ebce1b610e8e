"""Slices in the order of their positions, and the affine that places them in the patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedgin.data.dicom.frames import Frame
from fedgin.data.dicom.listing import LISTED, quoted
from fedgin.data.nifti_header import MAX_AXIS_COSINE, affine_fault
from fedgin.errors import DataError, Problem

SAME_POSITION_MM = 0.01
SAME_DIRECTION = 1e-3
SAME_SPACING = 1e-3
MAX_STEP_OFF = 0.1
"""Of the distance of two slices: further off an even grid, a slice is misplaced."""
MAX_TILT_DEGREES = 0.5

_TILT = "slices must be stacked along their normal (no gantry tilt)"
_TILT_MEND = "use a series that the scanner's software corrected for tilt, or resample it"


@dataclass(frozen=True)
class Stack:
    """Slices as a volume.

    Attributes:
        frames: Sorted by position along the normal.
        affine: Shape (4, 4), float64: (column, row, slice) indices to RAS+ mm.
    """

    frames: tuple[Frame, ...]
    affine: np.ndarray


def stack(
    frames: Sequence[Frame], *, folder: Path, tilts: Sequence[float] = (), kinds: str = ""
) -> Stack:
    """Sorts slices and checks that they form a regular grid.

    A pixel's place is position + row direction * column spacing * column + column direction * row
    spacing * row (PS3.3, C.7.6.2.1.1); slices follow along the cross product of both directions.

    Args:
        frames: The slices of a series.
        folder: Where they lie, for messages.
        tilts: Gantry tilts of the images in degrees.
        kinds: What tells images at one position apart, for messages.

    Raises:
        DataError: Slices differ in direction or spacing, are doubled or missing, or are tilted;
            all that can be told is listed.
    """
    where = str(folder)
    if len(frames) < 2:
        rule = "a volume needs two or more slices"
        mend = "name the folder of the whole series; a localizer is no volume"
        raise DataError(Problem(where, rule, f"{len(frames)} slice", mend))
    problems = [*_mixed(frames, where), *_tilted(tilts, where)]
    directions = np.array(frames[0].orientation, dtype=np.float64).reshape(2, 3)
    problems += _directions(directions, where)
    if problems:
        raise DataError(problems)
    normal = np.cross(*directions)
    normal /= np.linalg.norm(normal)
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    ordered = tuple(frames[place] for place in order)
    positions = positions[order]
    problems = _places(ordered, positions, normal, where, kinds)
    if problems:
        raise DataError(problems)
    affine = _affine(ordered[0], directions, positions)
    fault = affine_fault(affine)
    if fault is not None:
        raise DataError(Problem(where, fault[0], fault[1], "export the series again"))
    return Stack(ordered, affine)


def _affine(first: Frame, directions: np.ndarray, positions: np.ndarray) -> np.ndarray:
    row_spacing, column_spacing = first.spacing
    affine = np.eye(4)
    affine[:3, 0] = directions[0] * column_spacing
    affine[:3, 1] = directions[1] * row_spacing
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 3] = positions[0]
    affine[:2] *= -1  # DICOM's x and y run to the left and to the back
    return affine


def _mixed(frames: Sequence[Frame], where: str) -> list[Problem]:
    first = frames[0]
    turned = [
        frame
        for frame in frames
        if not np.allclose(frame.orientation, first.orientation, rtol=0, atol=SAME_DIRECTION)
    ]
    spaced = [
        frame
        for frame in frames
        if not np.allclose(frame.spacing, first.spacing, rtol=SAME_SPACING, atol=0)
    ]
    problems = []
    mend = "give each orientation and resolution a folder of its own"
    for key, others in (("orientation", turned), ("spacing", spaced)):
        if others:
            one, two = getattr(first, key), getattr(others[0], key)
            found = (
                f"{_numbers(one)} in {_names([first])} and {_numbers(two)} in {_names(others)}, "
                f"{len(others)} of {len(frames)} slices unlike the first"
            )
            rule = f"all slices of a series must have the same {key}"
            problems.append(Problem(where, rule, found, mend))
    return problems


def _tilted(tilts: Sequence[float], where: str) -> list[Problem]:
    worst = max(tilts, key=abs, default=0.0)
    if abs(worst) <= MAX_TILT_DEGREES:
        return []
    return [Problem(where, _TILT, f"GantryDetectorTilt {worst:g} degrees", _TILT_MEND)]


def _directions(directions: np.ndarray, where: str) -> list[Problem]:
    lengths = np.linalg.norm(directions, axis=1)
    cosine = float(directions[0] @ directions[1])
    if abs(lengths - 1).max() <= MAX_AXIS_COSINE and abs(cosine) <= MAX_AXIS_COSINE:
        return []
    rule = "row and column directions must be unit vectors at right angles"
    found = f"ImageOrientationPatient {_numbers(directions.ravel())}"
    return [Problem(where, rule, found, "export the series again")]


def _places(
    frames: Sequence[Frame], positions: np.ndarray, normal: np.ndarray, where: str, kinds: str
) -> list[Problem]:
    along = (positions - positions[0]) @ normal
    doubled = _doubled(frames, along, where, kinds)
    if doubled:
        return doubled
    across = positions - positions[0] - along[:, None] * normal
    tilt = math.degrees(math.atan(float(np.linalg.norm(across[-1])) / float(along[-1])))
    if tilt > math.degrees(MAX_AXIS_COSINE):
        found = f"positions that run {tilt:.2f} degrees off the normal"
        return [Problem(where, _TILT, found, _TILT_MEND)]
    return [*_shifted(frames, across, where), *_uneven(frames, along, where)]


def _doubled(frames: Sequence[Frame], along: np.ndarray, where: str, kinds: str) -> list[Problem]:
    twice = np.flatnonzero(np.diff(along) < SAME_POSITION_MM)
    if not twice.size:
        return []
    pairs = "; ".join(
        f"{_names(frames[k : k + 2], apart=True)} at {along[k]:.2f} mm" for k in twice[:LISTED]
    )
    more = f" and {twice.size - LISTED} more" if twice.size > LISTED else ""
    rule = "every slice of a series must have a position of its own"
    mend = "give each phase, echo or time point a folder of its own, or remove the copies"
    return [Problem(where, rule, f"{twice.size} doubled: {pairs}{more}{kinds}", mend)]


def _shifted(frames: Sequence[Frame], across: np.ndarray, where: str) -> list[Problem]:
    share = np.linspace(0, 1, len(frames))[:, None]
    off = np.linalg.norm(across - share * across[-1], axis=1)
    limit = MAX_STEP_OFF * min(frames[0].spacing)
    bad = np.flatnonzero(off > limit)
    if not bad.size:
        return []
    found = (
        f"{bad.size} shifted within their plane, up to {off.max():.2f} mm: "
        f"{_names([frames[int(k)] for k in bad])}"
    )
    rule = "all slices of a series must lie above one another"
    return [Problem(where, rule, found, "use slices of one acquisition")]


def _uneven(frames: Sequence[Frame], along: np.ndarray, where: str) -> list[Problem]:
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    bad = np.flatnonzero(abs(gaps - usual) > MAX_STEP_OFF * usual)
    rule = "slices must follow one another at equal distances (none missing)"
    mend = "copy the missing slices, or use a series of equal distances"
    if bad.size:
        listed = "; ".join(_gap(frames, gaps, usual, int(k)) for k in bad[:LISTED])
        more = f" and {bad.size - LISTED} more" if bad.size > LISTED else ""
        found = f"{bad.size} of {gaps.size} gaps unlike the usual {usual:.2f} mm: {listed}{more}"
        return [Problem(where, rule, found, mend)]
    step = float(along[-1]) / gaps.size
    off = abs(along - step * np.arange(len(frames)))
    if off.max() > MAX_STEP_OFF * step:
        found = f"slices up to {off.max():.2f} mm off an even grid of {step:.3f} mm"
        return [Problem(where, rule, found, mend)]
    return []


def _gap(frames: Sequence[Frame], gaps: np.ndarray, usual: float, place: int) -> str:
    missing = gaps[place] / usual - 1
    lacking = (
        f", {round(missing)} missing"
        if missing > MAX_STEP_OFF and abs(missing - round(missing)) <= 2 * MAX_STEP_OFF
        else ""
    )
    between = _names(frames[place : place + 2], apart=True)
    return f"{gaps[place]:.2f} mm between {between}{lacking}"


def _names(frames: Sequence[Frame], *, apart: bool = False) -> str:
    """Names slices by their files, and by frame where a file holds several."""
    names = [
        frame.path.name + (f" frame {frame.index + 1}" if frame.index else "") for frame in frames
    ]
    return " and ".join(f"'{name}'" for name in names) if apart else quoted(names)


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"
