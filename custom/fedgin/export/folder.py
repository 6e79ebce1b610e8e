"""The folder of an export: whole under its name or not there, with a hash of every file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from fedgin.errors import Problem
from fedgin.export.formats import ExportError
from fedgin.files import MIB, SHARED, read_bounded, write_atomically

HASHES_FILE = "SHA256SUMS"
MAX_LISTED = 5


def write_json(path: Path, values: Any) -> str:
    """Writes plain values as JSON and returns the text."""
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    write_text(path, text)
    return text


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8."""
    write_atomically(path, text.encode(), mode=SHARED)


@contextmanager
def new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """Gives a folder to write into, which takes its name when all is written.

    Until then nothing stands under the name, or what stood there before; after an error too.

    Args:
        out: The name.
        force: Whether an earlier export of that name may be replaced.

    Raises:
        ExportError: Something stands under the name that may not be replaced.
        OSError: The disk is full or the folder cannot be written.
    """
    target = Path(os.path.realpath(out))
    check_target(target, force=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    working = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
    try:
        yield working
        _write_hashes(working)
        check_target(target, force=force)
        _put(working, target)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def check_target(out: Path, *, force: bool) -> None:
    """Checks that an export may be written under a name.

    Raises:
        ExportError: There is a file, or a folder with files; with `force`, with files that no
            earlier export wrote.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise _taken(out, "a file", "name another folder")
    inside = (path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    if not force:
        if next(inside, None) is not None:
            raise _taken(out, "files", "name another, or replace an export by --force")
        return
    known = _hashed(out) | {HASHES_FILE}
    names = (path.relative_to(out).as_posix() for path in inside)
    if foreign := list(islice((name for name in names if name not in known), MAX_LISTED)):
        raise _taken(
            out,
            "files that no export wrote, such as " + ", ".join(sorted(foreign)),
            "name another, or move these files away",
        )


def _taken(out: Path, found: str, mend: str) -> ExportError:
    rule = "an export needs a new or empty folder, or with --force that of an earlier export"
    return ExportError(Problem(str(out), rule, found, mend))


def _hashed(folder: Path) -> set[str]:
    """Names the files that a folder's list of hashes names; none where there is no such list."""
    try:
        lines = read_bounded(folder / HASHES_FILE, limit=MIB).decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {line.partition("  ")[2] for line in lines}


def _write_hashes(folder: Path) -> None:
    """Writes the list that `sha256sum -c` reads."""
    lines = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append(f"{digest}  {file.relative_to(folder).as_posix()}\n")
    write_text(folder / HASHES_FILE, "".join(lines))


def _put(working: Path, target: Path) -> None:
    """Gives a folder its name; what had it is moved aside first, and back where that fails."""
    if not os.path.lexists(target):
        working.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.old.", dir=target.parent))
    before = aside / target.name
    target.rename(before)
    try:
        working.rename(target)
    except OSError:
        before.rename(target)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
