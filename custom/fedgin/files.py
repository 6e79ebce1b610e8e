"""Writing files so that nobody ever reads half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

PRIVATE, SHARED = 0o600, 0o644


def write_atomically(
    path: Path, content: bytes | Callable[[IO[bytes]], object], *, mode: int = PRIVATE
) -> None:
    """Writes a file under a temporary name beside its own and renames it when it is whole.

    Args:
        path: The file; its folder must exist.
        content: The bytes, or a function that writes them to an open binary file.
        mode: Permissions of the file: `PRIVATE`, or `SHARED` for what is meant to be read by all.

    Raises:
        OSError: The disk is full or the folder cannot be written; it names the file, and the old
            one, if any, stays.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if callable(content):
                _call(content, file)
            else:
                file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it was
        raise


def _call(write: Callable[[IO[bytes]], object], file: IO[bytes]) -> None:
    """Calls a writer; where torch hides a full disk behind an error of its own, it is shown."""
    try:
        write(file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
