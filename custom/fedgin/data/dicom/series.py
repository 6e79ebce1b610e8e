"""Reading a folder of DICOM files as the one volume that they are slices of."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedgin.data.dicom.frames import Frame
from fedgin.data.dicom.instance import DIFFERING, Companion, Instance, read_instance
from fedgin.data.dicom.listing import LISTED, Listing, list_folder, quoted
from fedgin.data.dicom.pixels import decode
from fedgin.data.dicom.stack import stack
from fedgin.data.nifti_header import MAX_EXTENT_MM, MAX_VOXELS
from fedgin.data.nifti_stream import MAX_IMAGE_RATIO
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem
from fedgin.files import MIB

logger = logging.getLogger(__name__)

_RATIO_FROM_BYTES = 64 * MIB
_OWN_FOLDER = "give each series a folder of its own"


@dataclass(frozen=True)
class Series:
    """An image series.

    Attributes:
        volume: float32 intensities (HU for CT), shape (columns, rows, slices), and the affine.
        modality: Such as "CT" or "MR", as the header says.
        files: Its files, sorted by position; one for an enhanced image.
        patient: Identifier of the patient in the header; may be empty.
        uid: SeriesInstanceUID of the first file.
        frames: Its slices, in the order of the volume's third axis.
        frame_of_reference: Identifier of the coordinate system; may be empty.
        left_out: Names of files in the folder that are neither slices nor DICOM.
    """

    volume: Volume
    modality: str
    files: tuple[Path, ...]
    patient: str
    uid: str
    frames: tuple[Frame, ...]
    frame_of_reference: str = ""
    left_out: tuple[str, ...] = ()


def read_series(folder: Path, *, within: Path | None = None, whole_folder: bool = False) -> Series:
    """Reads a series: sorted by position, rescaled, placed in the patient.

    Segmentations, contours and reports may lie beside the images and are not read.

    Args:
        folder: The folder of the series' files.
        within: A folder that no link may leave; by default the folder itself.
        whole_folder: Whether all images of the folder are one series, whatever identifiers they
            have: for data sets whose anonymisation gave each file its own.

    Raises:
        DataError: Files are unreadable, of several series, or no regular grid of slices; all that
            can be told is listed.
    """
    listing = list_folder(folder, within=within)
    images = _headers(listing)
    aspects: tuple[str, ...] = ("size", "modality")
    if not whole_folder:
        aspects += ("patient", "frame of reference")
    problems = [] if whole_folder else _several(folder, images)
    problems += [*_unlike(folder, images, aspects), *_localizers(folder, images)]
    if problems:
        raise DataError(problems)
    found = stack(
        [frame for image in images for frame in image.frames],
        folder=folder,
        tilts=[image.tilt for image in images],
        kinds=_kinds(images),
    )
    first = images[0]
    _check_size(folder, images, (*first.shape, len(found.frames)), found.affine)
    if listing.left_out:
        number = len(listing.left_out)
        logger.warning("%s: %d files or folders beside the series are no DICOM", folder, number)
    return Series(
        volume=Volume(
            array=decode(found.frames, {image.path: image for image in images}, first.shape),
            affine=found.affine,
        ),
        modality=first.modality,
        files=tuple(dict.fromkeys(frame.path for frame in found.frames)),
        patient=first.patient,
        uid=first.series_uid,
        frames=found.frames,
        frame_of_reference=first.frame_of_reference,
        left_out=listing.left_out,
    )


def _headers(listing: Listing) -> list[Instance]:
    """Reads all headers; a fault that many files share is told once."""
    folder, paths = listing.folder, listing.dicom
    images: list[Instance] = []
    faults: dict[tuple[str, str], dict[str, list[str]]] = {}
    for path in paths:
        try:
            found = read_instance(path)
        except DataError as error:
            for problem in error.problems:
                key = (problem.rule, problem.mend)
                faults.setdefault(key, {}).setdefault(path.name, []).append(problem.found)
        else:
            if not isinstance(found, Companion):
                images.append(found)
    if faults:
        raise DataError(
            Problem(str(folder), rule, _counted(found_in, len(paths)), mend)
            for (rule, mend), found_in in faults.items()
        )
    if not images:
        rule = "the folder must hold the images of a series"
        found_instead = f"{len(paths)} DICOM files, none an image"
        if listing.left_out:
            found_instead += f"; beside them {quoted(listing.left_out)}"
        mend = "name the folder of the images themselves"
        raise DataError(Problem(str(folder), rule, found_instead, mend))
    return images


def _counted(found_in: Mapping[str, list[str]], total: int) -> str:
    first = list(found_in.items())[:LISTED]
    shown = "; ".join(f"'{name}': {', '.join(found)}" for name, found in first)
    more = f" and {len(found_in) - LISTED} more" if len(found_in) > LISTED else ""
    return f"{len(found_in)} of {total} files: {shown}{more}"


def _several(folder: Path, images: Sequence[Instance]) -> list[Problem]:
    numbers: dict[str, list[Instance]] = {}
    for image in images:
        numbers.setdefault(image.series_uid, []).append(image)
    if len(numbers) == 1:
        return []
    listed = "; ".join(
        f"number {members[0].series_number or 'none'} ({members[0].modality}, "
        f"{sum(len(member.frames) for member in members)} slices, '{uid}')"
        for uid, members in list(numbers.items())[:LISTED]
    )
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    rule = "a folder must hold the images of one series"
    return [Problem(str(folder), rule, f"{len(numbers)} series: {listed}{more}", _OWN_FOLDER)]


def _unlike(folder: Path, images: Sequence[Instance], aspects: Sequence[str]) -> list[Problem]:
    problems = []
    found_in = {
        "size": [f"{image.shape[0]} x {image.shape[1]}" for image in images],
        "modality": [image.modality for image in images],
        "patient": [f"'{image.patient}'" for image in images],
        "frame of reference": [f"'{image.frame_of_reference}'" for image in images],
    }
    for name in aspects:
        values = found_in[name]
        counts = {value: values.count(value) for value in dict.fromkeys(values)}
        if len(counts) > 1:
            listed = ", ".join(f"{value} in {n}" for value, n in list(counts.items())[:LISTED])
            rule = f"all images of a series must have the same {name}"
            problems.append(Problem(str(folder), rule, f"{listed} files", _OWN_FOLDER))
    enhanced = [image.path.name for image in images if len(image.frames) > 1]
    if enhanced and len(images) > 1:
        rule = "an image of many frames must be the only one of its folder"
        found = f"{len(images)} images, of which {len(enhanced)} have many frames: "
        problems.append(Problem(str(folder), rule, found + quoted(enhanced), _OWN_FOLDER))
    return problems


def _localizers(folder: Path, images: Sequence[Instance]) -> list[Problem]:
    scouts = [image.path.name for image in images if image.localizer]
    if not scouts:
        return []
    rule = "a series must hold no localizer"
    found = f"{len(scouts)} of {len(images)} files: {quoted(scouts)}"
    return [Problem(str(folder), rule, found, "move the localizers out of the folder")]


def _kinds(images: Sequence[Instance]) -> str:
    """Says what may tell images at one position apart."""
    differing = []
    for place, name in enumerate(DIFFERING):
        values = list(dict.fromkeys(image.differing[place] for image in images))
        if 1 < len(values) <= LISTED:
            differing.append(f"{name} {', '.join(value or 'none' for value in values)}")
    return f" (the series has {'; '.join(differing)})" if differing else ""


def _check_size(
    folder: Path, images: Sequence[Instance], shape: tuple[int, int, int], affine: np.ndarray
) -> None:
    """Refuses a volume that is too large, or that a few bytes would become gigabytes of."""
    problems = []
    voxels = math.prod(shape)
    if voxels > MAX_VOXELS:
        rule = f"a volume must have at most {MAX_VOXELS} voxels"
        found = f"{shape[2]} slices of {shape[0]} x {shape[1]}"
        problems.append(Problem(str(folder), rule, found, "crop or resample the series"))
    rows, columns, slices = shape
    edges = np.linalg.norm(affine[:3, :3], axis=0) * (columns, rows, slices)
    if edges.max() > MAX_EXTENT_MM:
        rule = f"a volume must be at most {MAX_EXTENT_MM:g} mm long"
        found = "edges of " + ", ".join(f"{edge:.6g}" for edge in edges) + " mm"
        problems.append(Problem(str(folder), rule, found, "export the series again"))
    need = sum(image.frame_bytes * len(image.frames) for image in images)
    size = sum(image.size for image in images)
    if need > _RATIO_FROM_BYTES and need > MAX_IMAGE_RATIO * size:
        rule = f"a large image must not compress to less than 1/{MAX_IMAGE_RATIO}"
        mend = "check that the image is not empty, and export it again"
        problems.append(Problem(str(folder), rule, f"{need} bytes of voxels in {size}", mend))
    if problems:
        raise DataError(problems)
