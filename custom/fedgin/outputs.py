"""Where a command is to write: looked at before the work, and named in a refusal."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from fedgin.errors import ConfigError, Problem

_ROOM = ("the disk must have room for what is written", "free some, or name another disk")
_ALLOWED = (
    "the user must be allowed to read or write this path",
    "correct its permissions, or name another",
)
_FOLDERS = ("every part of the path but the last must be a folder", "name another path")
_BEGIN = 8192
"""Bytes in which the mark of a report is looked for."""
_RULES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        errno.ENOSPC: _ROOM,
        errno.EDQUOT: _ROOM,
        errno.EFBIG: (
            "a file must be within the limit of its size",
            "make it smaller, or raise the limit where it is the system's (`ulimit -f`)",
        ),
        errno.EACCES: _ALLOWED,
        errno.EPERM: _ALLOWED,
        errno.EROFS: _ALLOWED,
        errno.ENOTDIR: _FOLDERS,
        errno.EEXIST: ("a folder is needed here", "name another path, or move away what is there"),
        errno.EISDIR: ("a file is needed here", "name a file"),
        errno.ENOENT: ("the file or folder must exist", "check the path"),
    }
)
_OTHER = ("the system must be able to read or write this path", "see what the system says of it")


def system_problem(error: OSError) -> Problem:
    """Says in a refusal's words what the system said of a path."""
    rule, mend = _RULES.get(error.errno or 0, _OTHER)
    where = str(error.filename) if error.filename else "a file"
    return Problem(where, rule, error.strerror or str(error) or type(error).__name__, mend)


def check_output_folder(path: Path, *, where: str) -> None:
    """Checks that a folder can be written into, or be made; nothing of it stays behind.

    Args:
        path: The folder.
        where: The option or argument that names it.

    Raises:
        ConfigError: It can be neither.
    """
    nearest = path
    try:
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        _try_writing(nearest)
    except OSError as error:
        raise ConfigError(_unwritable(path, nearest, error, where)) from None


def check_nothing_earlier(
    folder: Path, names: Iterable[str], *, where: str, force: bool, rule: str, mend: str
) -> None:
    """Checks that a folder can be written, and holds nothing of an earlier call.

    Args:
        folder: The folder; it need not exist.
        names: What a call leaves in it.
        where: The option that names it.
        force: Whether what is there may be replaced.
        rule: Why it is not, otherwise.
        mend: What to do then.

    Raises:
        ConfigError: It cannot be written, or holds what may not be replaced.
    """
    check_output_folder(folder, where=where)
    there = [name for name in names if os.path.lexists(folder / name)]
    if there and not force:
        raise ConfigError(Problem(where, rule, f"{', '.join(there)} in '{folder}'", mend))


def check_output_file(path: Path, *, where: str) -> None:
    """Checks that a file can be written into a folder that is there.

    Args:
        path: The file.
        where: The option or argument that names it.

    Raises:
        ConfigError: It is a folder, or its folder is none that can be written.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        rule = "what is written needs the path of a file"
        raise ConfigError(Problem(where, rule, f"'{path}', a device or a pipe", "name a file"))
    if path.is_dir():
        rule = "what is written needs the path of a file"
        raise ConfigError(Problem(where, rule, f"the folder '{path}'", "name a file in it"))
    try:
        _try_writing(path.parent)
    except OSError as error:
        raise ConfigError(_unwritable(path, path.parent, error, where)) from None


def check_replaceable(path: Path, *, where: str, mark: str) -> None:
    """Checks that a report can be written to a file: a new one, or an earlier report's.

    Args:
        path: The file.
        where: The option that names it.
        mark: Text that stands near the beginning of every such report.

    Raises:
        ConfigError: Its folder cannot be written, or something else lies there.
    """
    check_output_file(path, where=where)
    if not path.exists():
        return
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
    if begin and mark.encode() not in begin:
        raise ConfigError(
            Problem(
                where,
                "a file that is no earlier report is not overwritten",
                f"'{path}', {path.stat().st_size} bytes of another kind",
                "name another file, or move this one away",
            )
        )


def _try_writing(folder: Path) -> None:
    """Writes a file without a name; permissions alone do not tell of a read-only disk."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    with tempfile.TemporaryFile(dir=folder):
        pass


def _unwritable(path: Path, looked_at: Path, error: OSError, where: str) -> Problem:
    cause = f" at '{looked_at}'" if looked_at != path else ""
    return Problem(
        where,
        "what is written needs a folder that can be written",
        f"'{path}': {error.strerror or error}{cause}",
        "name another place, or correct the folder's permissions",
    )
