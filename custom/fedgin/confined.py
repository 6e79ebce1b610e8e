"""Paths that others name, in a list, a job or a checkpoint, confined to a folder."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from fedgin.errors import DataError, Problem

MAX_NAME_BYTES, MAX_PART_BYTES = 1024, 255
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|file:|[A-Za-z]:", re.IGNORECASE)
_UNSEEN = {"Cc": "control", "Cf": "invisible", "Cs": "surrogate", "Zl": "line", "Zp": "line"}
_MEND = "write the file's path below the folder, with '/' between folders"


@dataclass(frozen=True)
class ConfinedFolder:
    """A folder that no path may leave.

    Attributes:
        root: The folder, which may itself be a symbolic link: its owner named it.
    """

    root: Path
    _real: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Follows the links to the folder once."""
        object.__setattr__(self, "_real", os.path.realpath(self.root))

    def file(self, name: str, *, where: str) -> Path:
        """Returns the file that a name stands for; it need not exist.

        Args:
            name: A path below the folder, such as `./imagesTr/a.nii.gz`; one that begins at `/`
                must begin with the folder.
            where: What errors should name: the file and key that holds the name.

        Raises:
            DataError: The name leaves the folder, also by symbolic links, or is of a form that
                means another file elsewhere; or what it leads to is no regular file.
        """
        path = self._below(name, where=where)
        if not path.parts:
            rule = "a path must name a file"
            raise DataError(Problem(where, rule, "the folder itself", _MEND))
        return self.found(self.root / path, where=where)

    def folder(self, name: str, *, where: str) -> Path:
        """Returns the folder that a name stands for; it need not exist, and may be this one.

        Args:
            name: As for `file`.
            where: As for `file`.

        Raises:
            DataError: As for `file`; or what it leads to is no folder.
        """
        path = self._below(name.rstrip("/") or name, where=where)
        return self.found(self.root / path, where=where, kind="folder")

    def _below(self, name: str, *, where: str) -> PurePosixPath:
        """Checks a name and returns the path below the folder that it stands for."""
        fault = name_fault(name)
        if fault is not None:
            raise DataError(Problem(where, *fault, _MEND))
        path = PurePosixPath(name)
        if path.is_absolute():
            below = next(
                (
                    path.relative_to(base)
                    for base in (self.root.absolute(), Path(self._real))
                    if path.is_relative_to(base)
                ),
                None,
            )
            if below is None:
                rule = "a path must lie below the folder that it is confined to"
                raise DataError(Problem(where, rule, "an absolute path elsewhere", _MEND))
            path = below
        return path

    def found(self, path: Path, *, where: str, kind: Literal["file", "folder"] = "file") -> Path:
        """Checks where a path below the folder really leads; its name is not judged.

        Args:
            path: The folder followed by a path below it.
            where: What errors should name.
            kind: What must be there, if anything is: a regular file or a folder.

        Raises:
            DataError: Symbolic links lead out of the folder or in a circle, or what is there is
                something else.
        """
        real = os.path.realpath(path)
        if os.path.commonpath([self._real, real]) != self._real:
            raise DataError(
                Problem(
                    where,
                    "a path must lie below the folder that it is confined to",
                    "a symbolic link that leads out of it",
                    "put the file itself there, or name the folder that holds all files as root",
                )
            )
        fault = _kind_fault(path, kind)
        if fault is not None:
            rule = f"a path must lead to a {'regular file' if kind == 'file' else kind}"
            raise DataError(Problem(where, rule, fault, f"name the {kind} itself"))
        return path


def confined_path(root: Path, name: str, *, where: str) -> Path:
    """Returns the file below a folder that a name stands for; see `ConfinedFolder.file`.

    Raises:
        DataError: As there.
    """
    return ConfinedFolder(root).file(name, where=where)


def name_fault(name: str) -> tuple[str, str] | None:
    """Finds what is wrong with a path as text.

    The findings do not quote the name: it may be a patient's.

    Returns:
        The rule that it breaks and what was found, or None.
    """
    if not name:
        return "a path must name a file", "an empty text"
    if odd := unseen_character(name):
        return "a path must have visible characters only", odd
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        return f"a path must have at most {MAX_NAME_BYTES} bytes", f"{len(name.encode())} bytes"
    if name != unicodedata.normalize("NFC", name):
        return "a path must be in Unicode's composed form (NFC)", "letters and marks apart"
    rule = "a path must be one of this system's, below a folder"
    if _URL.match(name):
        return rule, "a URL or a drive letter"
    # Wide and leader forms of '.', '/' and '\' become these where someone normalises the text.
    if "\\" in unicodedata.normalize("NFKC", name):
        return rule, "a backslash"
    if name.startswith("~"):
        return rule, "'~' at the beginning"
    if unicodedata.normalize("NFKC", name).count("/") != name.count("/"):
        return rule, "a character that looks like '/'"
    if name.endswith("/"):
        return "a path must name a file", "'/' at the end"
    return next(filter(None, map(_part_fault, name.split("/"))), None)


def unseen_character(text: str) -> str | None:
    """Describes the first character that is not to be seen; None where there is none."""
    for place, letter in enumerate(text):
        kind = _UNSEEN.get(unicodedata.category(letter))
        if kind is not None:
            return f"{kind} character U+{ord(letter):04X} at place {place + 1}"
    return None


def _part_fault(part: str) -> tuple[str, str] | None:
    if part in ("", "."):
        return None
    if unicodedata.normalize("NFKC", part) == "..":
        return "a path must not lead upwards", "'..'"
    if part != part.strip() or part.endswith("."):
        return "no part of a path may end in '.' or begin or end in a space", "such a part"
    if len(part.encode("utf-8")) > MAX_PART_BYTES:
        found = f"one of {len(part.encode('utf-8'))} bytes"
        return f"a part of a path must have at most {MAX_PART_BYTES} bytes", found
    return None


def _kind_fault(path: Path, kind: str) -> str | None:
    """Says what is there other than a file or folder; what is missing is left to the reader."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "symbolic links in a circle" if error.errno == errno.ELOOP else None
    kinds = {
        stat.S_IFREG: None if kind == "file" else "a file",
        stat.S_IFDIR: None if kind == "folder" else "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
