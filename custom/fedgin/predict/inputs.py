"""What is to be segmented: one NIfTI file, a folder of them, a DICOM series or a tree of such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedgin.confined import unseen_character
from fedgin.data.adapters.base import LeftOut
from fedgin.data.nifti_stream import NIFTI_SUFFIXES, is_gzip
from fedgin.errors import DataError, Problem
from fedgin.predict.dicom_inputs import NO_SCAN, beside_images, dicom_kind, find_series

EXPECTED = (
    "a .nii or .nii.gz file, a folder of such files, a folder of one DICOM series, or a folder "
    "that holds such folders at any depth"
)
MAX_NAME_BYTES = 240
"""Of a scan's name: file systems take 255, the endings of the results' names included."""
_LISTED = 5


@dataclass(frozen=True)
class Input:
    """A scan to segment.

    Attributes:
        name: Name of the case and of its results.
        path: A NIfTI file, or the folder of a DICOM series.
        kind: Which of both.
    """

    name: str
    path: Path
    kind: Literal["nifti", "dicom"]


@dataclass(frozen=True)
class Found:
    """What a path holds.

    Attributes:
        inputs: The scans, by name.
        refused: Scans that cannot have results of their own, and why: path and problem.
        left_out: What is no scan, and why; paths below the path that was searched.
    """

    inputs: tuple[Input, ...]
    refused: tuple[tuple[Path, Problem], ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def find_inputs(path: Path) -> Found:
    """Lists the scans that a path holds; no voxel is read.

    DICOM series are found in folders at any depth, NIfTI files in the folder itself only. What
    goes with CT and MR images in a study, as segmentations, PET and localizers, is left out.

    Raises:
        DataError: There is nothing to segment, or there are too many folders.
    """
    if not path.exists():
        raise DataError(Problem(str(path), f"IN must be {EXPECTED}", "no such path", "correct it"))
    if not path.is_dir():
        if dicom_kind(path) is not None:
            mend = "name the folder of its series"
            raise DataError(Problem(str(path), f"IN must be {EXPECTED}", "one DICOM file", mend))
        is_gzip(path)  # refuses other names
        return _named([Input(_stem(path), path, "nifti")], [])
    candidates, left_out = _candidates(path)
    if not candidates:
        held = ", ".join(f"{left.path} ({left.reason})" for left in left_out[:_LISTED])
        held += f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
        raise DataError(
            Problem(
                str(path),
                f"IN must be {EXPECTED}",
                f"a folder with {held or 'nothing in it'}",
                "name the folder that holds the scans",
            )
        )
    return _named(candidates, left_out)


def _candidates(path: Path) -> tuple[list[Input], list[LeftOut]]:
    candidates: list[Input] = []
    left_out: list[LeftOut] = []
    beside: list[tuple[str, str | None]] = []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry.name.upper() == "DICOMDIR":
            continue
        if entry.is_dir():
            found = find_series(entry, root=path)
            candidates += [
                Input("_".join(folder.relative_to(path).parts), folder, "dicom")
                for folder in found.folders
            ]
            left_out += found.left_out
        elif entry.name.lower().endswith(NIFTI_SUFFIXES):
            candidates.append(Input(_stem(entry), entry, "nifti"))
        elif (kind := dicom_kind(entry)) is None:
            left_out.append(LeftOut(entry.name, NO_SCAN))
        else:
            beside.append((entry.name, kind))
    if any(not kind for _, kind in beside):
        candidates.append(Input(path.resolve().name, path, "dicom"))
    return candidates, [*left_out, *beside_images(beside)]


def _stem(path: Path) -> str:
    suffix = next(s for s in NIFTI_SUFFIXES if path.name.lower().endswith(s))
    return path.name[: -len(suffix)]


def _named(candidates: Iterable[Input], left_out: Iterable[LeftOut]) -> Found:
    """Sets apart the scans whose results would have the same names, or names not to be seen."""
    by_name: dict[str, list[Input]] = {}
    for candidate in candidates:
        # Some file systems take a.nii.gz and A.nii.gz for the same file.
        by_name.setdefault(candidate.name.casefold(), []).append(candidate)
    inputs: list[Input] = []
    refused: list[tuple[Path, Problem]] = []
    for same in by_name.values():
        fault = _fault(same)
        if fault is None:
            inputs += same
        else:
            refused += [(item.path, Problem(str(item.path), *fault)) for item in same]
    return Found(tuple(inputs), tuple(refused), tuple(left_out))


def _fault(same: list[Input]) -> tuple[str, str, str] | None:
    """Rule, found and mend of what is wrong with scans of one name, if anything is."""
    if len(same) > 1:
        places = " and ".join(str(item.path) for item in same)
        found = f"'{same[0].name}' stands for {places}"
        return "each scan needs a name of its own, without suffix", found, "rename all but one"
    odd = unseen_character(same[0].name) if same[0].name.strip() else "an empty name"
    if odd:
        return "a scan's name must be visible characters", odd, "rename it"
    if len(same[0].name.encode()) > MAX_NAME_BYTES:
        rule = f"a scan's name, its path below IN, must have at most {MAX_NAME_BYTES} bytes"
        return rule, f"{len(same[0].name.encode())} bytes", "name a folder further down as IN"
    return None
