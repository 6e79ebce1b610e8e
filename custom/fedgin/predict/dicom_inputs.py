"""The DICOM series of a tree of folders, as an archive exports it: patient, study, series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.data.adapters.base import LeftOut
from fedgin.data.dicom.instance import companion_kind, is_localizer, other_modality
from fedgin.data.dicom.stream import storage_class
from fedgin.data.dicom.walk import TreeFolder, walk_tree
from fedgin.data.nifti_stream import NIFTI_SUFFIXES
from fedgin.errors import DataError

MOST_LOCALIZERS = 50
"""Images of a series of scouts: those of three directions, with room."""
NO_SCAN = "neither NIfTI nor DICOM"
_NIFTI_BELOW = "NIfTI files in a folder below; name it as IN"


@dataclass(frozen=True)
class SeriesFound:
    """What was found.

    Attributes:
        folders: Folders that hold DICOM images; whether each is one series, the reader checks.
        left_out: What is no scan: segmentations, reports, files of other kinds.
    """

    folders: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def find_series(top: Path, *, root: Path) -> SeriesFound:
    """Looks through a folder and all below it; of each file the first bytes are read.

    Args:
        top: The folder, which may be a link; links below it are not followed.
        root: Folder below which paths are named; `top` is one of its entries.

    Raises:
        DataError: There are too many folders.
    """
    folders: list[Path] = []
    left_out: list[LeftOut] = []
    tree = list(walk_tree(top))
    kinds = {folder.path: [dicom_kind(path) for path in folder.files] for folder in tree}
    if all(kind is None for of_folder in kinds.values() for kind in of_folder):
        # One line for all: nobody wants each of a thousand pictures named.
        reason = _reason([path for folder in tree for path in folder.files])
        return SeriesFound((), (LeftOut(_below(top, root), reason),))
    for folder in tree:
        of_folder = kinds[folder.path]
        images = [path for path, kind in zip(folder.files, of_folder, strict=True) if kind == ""]
        if images and _all_localizers(images):
            what = f"{len(images)} localizer{'s' * (len(images) > 1)}"
            left_out.append(LeftOut(_below(folder.path, root), what))
            continue
        if images:
            folders.append(folder.path)
        left_out += _left_out(folder, of_folder, root)
    return SeriesFound(tuple(folders), tuple(left_out))


def dicom_kind(path: Path) -> str | None:
    """Tells what a file is by its first bytes.

    Returns:
        Empty for a DICOM image that may be CT or MR, the kind of other DICOM such as SEG, SR or
        PET, None for what is no DICOM or cannot be read.
    """
    try:
        sop_class = storage_class(path)
    except OSError:
        return None
    if sop_class is None:
        return None
    return companion_kind(sop_class) or other_modality(sop_class)


def _all_localizers(images: Sequence[Path]) -> bool:
    """Whether a folder is a series of scouts; what cannot be read is the reader's to refuse."""
    if len(images) > MOST_LOCALIZERS:
        return False
    try:
        return all(is_localizer(path) for path in images)
    except DataError:
        return False


def beside_images(files: Iterable[tuple[str, str | None]]) -> Iterator[LeftOut]:
    """Lists what lies beside a series' images and is none: path and kind as `dicom_kind` says."""
    for where, kind in files:
        if kind:
            yield LeftOut(where, f"DICOM that is no CT or MR image ({kind})")


def _left_out(folder: TreeFolder, kinds: Sequence[str | None], root: Path) -> Iterator[LeftOut]:
    for link in folder.links:
        yield LeftOut(_below(link, root), "a link to a folder further down")
    if "" in kinds:
        # Files of other formats beside slices are the reader's to judge.
        names = (path.relative_to(root).as_posix() for path in folder.files)
        yield from beside_images(zip(names, kinds, strict=True))
    elif counts := Counter(filter(None, kinds)):
        what = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        yield LeftOut(_below(folder.path, root), f"DICOM without a CT or MR image ({what})")
    elif folder.files:
        yield LeftOut(_below(folder.path, root), _reason(folder.files))


def _reason(files: Iterable[Path]) -> str:
    found = any(path.name.lower().endswith(NIFTI_SUFFIXES) for path in files)
    return _NIFTI_BELOW if found else NO_SCAN


def _below(folder: Path, root: Path) -> str:
    return f"{folder.relative_to(root).as_posix()}/"
