"""Writing files so that nobody ever reads half of one, and reading them within a bound."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

PRIVATE, SHARED = 0o600, 0o644
MIB = 2**20


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; a pipe, a device or a folder is refused, and never waited for.

    Raises:
        OSError: There is no such file, it cannot be read, or it is no regular file.
    """
    # Without O_NONBLOCK a pipe without a writer would be waited for without end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: Path, *, limit: int) -> bytes:
    """Reads a whole file that may not be larger than a limit.

    Args:
        path: A regular file.
        limit: Most bytes that are read.

    Raises:
        OSError: The file cannot be read, is no regular file, or is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > limit else file.read(limit + 1)
    if size > limit or len(content) > limit:
        raise OSError(errno.EFBIG, f"File of more than {limit} bytes", str(path))
    return content


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
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    except OSError as error:
        error.filename = str(path)  # nobody knows the temporary name
        raise
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
