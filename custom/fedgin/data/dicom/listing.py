"""The files of a series' folder: DICOM, of another kind, or of none that can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.confined import ConfinedFolder
from fedgin.data.dicom.stream import is_dicom, reason
from fedgin.errors import DataError, Problem

MAX_FILES = 20_000
LISTED = 5
_OTHER_FORMATS = (
    *(".txt", ".md", ".csv", ".json", ".xml", ".html", ".pdf", ".yaml", ".zip"),
    *(".png", ".jpg", ".jpeg", ".nii", ".gz", ".nrrd", ".mha"),
)
"""Suffixes of files that lie beside slices and are none; other files without DICOM are faults."""


@dataclass(frozen=True)
class Listing:
    """What lies in a folder.

    Attributes:
        folder: The folder.
        dicom: Its DICOM files, by name.
        left_out: Names of folders, which end in '/', and of files of other kinds. Hidden files and
            DICOMDIR, an index of the others, are left out by rule and not listed.
    """

    folder: Path
    dicom: tuple[Path, ...]
    left_out: tuple[str, ...]


def visible_names(folder: Path) -> list[str]:
    """Lists the names in a series' folder, hidden ones and DICOMDIR left out.

    Raises:
        DataError: There is no such folder, or it holds too much.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        rule, mend = "a series must be a folder of DICOM files", "correct the path"
        raise DataError(Problem(str(folder), rule, found, mend))
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if len(names) > MAX_FILES:
        rule = f"a series' folder must hold at most {MAX_FILES} files"
        mend = "give each series a folder of its own"
        raise DataError(Problem(str(folder), rule, f"{len(names)} files", mend))
    return [name for name in names if name.upper() != "DICOMDIR"]


def list_folder(folder: Path, *, within: Path | None = None) -> Listing:
    """Lists a folder's files; folders in it are not looked into.

    Args:
        folder: The folder.
        within: A folder that no link may leave; by default the folder itself.

    Raises:
        DataError: There is no such folder; links lead out; files are no DICOM although nothing
            says that they are something else.
    """
    names = visible_names(folder)
    confined = ConfinedFolder(within or folder)
    dicom: list[Path] = []
    left_out: list[str] = []
    damaged: list[str] = []
    problems: list[Problem] = []
    for name in names:
        path = folder / name
        if path.is_dir():
            left_out.append(f"{name}/")
            continue
        try:
            if is_dicom(confined.found(path, where=str(path))):
                dicom.append(path)
            elif path.suffix.lower() in _OTHER_FORMATS or name.upper() == "LICENSE":
                left_out.append(name)
            else:
                damaged.append(name)
        except OSError as error:
            rule, mend = "a file must be readable", "check permissions and storage"
            problems.append(Problem(str(path), rule, reason(error), mend))
        except DataError as error:
            problems += error.problems
    if damaged:
        rule = "a file in a series' folder must be DICOM ('DICM' after 128 bytes)"
        mend = "copy the files again; move what is no image out of the folder"
        found = f"{len(damaged)} of {len(names)} files without: {quoted(damaged)}"
        problems.append(Problem(str(folder), rule, found, mend))
    if problems:
        raise DataError(problems)
    return Listing(folder, tuple(dicom), tuple(left_out))


def quoted(names: Sequence[str]) -> str:
    """Lists the first few names in quotes, and says how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:LISTED])
    return shown + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
