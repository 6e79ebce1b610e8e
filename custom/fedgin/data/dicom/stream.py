"""Opening a DICOM file so that no length it states costs more memory than the file has bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fedgin.data.dicom.backend import load_pydicom
from fedgin.errors import DataError, FedginError, Problem
from fedgin.files import MIB, open_regular

MAX_HEADER_BYTES = 64 * MIB
"""Of what precedes the pixels: the places of 20,000 frames take 40 MiB. A hostile header becomes
some thirty times as large in memory."""
MAX_CONTOUR_BYTES = 256 * MIB
"""Of a structure set: a body's contours, whose numbers stay bytes until they are needed."""
MAX_FILE_BYTES = 4096 * MIB
"""Of any file: the voxels of the largest volume that is accepted, uncompressed."""

_META_BYTES = 1024
_CLASS_ELEMENT = b"\x02\x00\x02\x00UI"
_RULE = "a DICOM file must be complete and undamaged"
_AGAIN = "copy or export the file again"


class Within(io.BufferedIOBase):
    """A file that gives no more than it has, and never all at once."""

    def __init__(self, file: BinaryIO, *, budget: int | None = None) -> None:
        """Takes an open file, which stays the caller's to close, and how much of it may be read."""
        self._file, self._budget, self._spent = file, budget, 0
        self.size = os.fstat(file.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads so many bytes, fewer only at the end.

        Raises:
            OSError: The budget is spent, or no size is given. Only a deflated data set is read so;
                it is inflated whole, to a size that no header states.
        """
        if size is None or size < 0:
            raise OSError("the data set is deflated")
        data = self._file.read(min(size, max(0, self.size - self._file.tell())))
        self._spent += len(data)
        if self._budget is not None and self._spent > self._budget:
            raise OSError(f"more than {self._budget} bytes before the pixels")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Moves to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Returns the position."""
        return self._file.tell()

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it has positions."""
        return True


@contextmanager
def opened(path: Path, *, budget: int | None = None) -> Iterator[Within]:
    """Opens a regular file; faults of the storage and of whoever parses it are told by name.

    Args:
        path: The file.
        budget: Bytes that may be read of it; by default all that it has.

    Raises:
        DataError: The file cannot be opened, is too large, or what reads it fails.
    """
    try:
        with open_regular(path) as file:
            stream = Within(file, budget=budget)
            if stream.size > MAX_FILE_BYTES:
                rule = f"a DICOM file must have at most {MAX_FILE_BYTES} bytes"
                mend = "export fewer frames to a file"
                raise DataError(Problem(str(path), rule, f"{stream.size} bytes", mend))
            yield stream
    except (FedginError, GeneratorExit):
        raise
    except FileNotFoundError:
        rule, mend = "the file must exist", "correct the path in the site's file"
        raise DataError(Problem(str(path), rule, "no such file", mend)) from None
    except RecursionError:
        found = "sequences nested without end"
        raise DataError(Problem(str(path), _RULE, found, _AGAIN)) from None
    except Exception as error:  # a parser of damaged bytes fails in every way
        raise DataError(Problem(str(path), _RULE, reason(error), _AGAIN)) from None


def reason(error: Exception) -> str:
    """Tells an error of a library in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (" ".join(text.split()) or type(error).__name__)[:300]


def is_dicom(path: Path) -> bool:
    """Tells by its first bytes whether a regular file is a DICOM file (PS3.10, section 7.1).

    Raises:
        OSError: The file cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return file.read(132)[128:] == b"DICM"


def storage_class(path: Path) -> str | None:
    """Reads what kind of object a file holds from its first bytes, much faster than its header.

    The file meta information is explicit little endian whatever follows it (PS3.10, section 7.1).

    Returns:
        The class; empty where the file does not say it, None where it is no DICOM file.

    Raises:
        OSError: As for `is_dicom`.
    """
    with open_regular(path) as file:
        head = file.read(_META_BYTES)
    if head[128:132] != b"DICM":
        return None
    start = head.find(_CLASS_ELEMENT, 132)
    if start < 0:
        return ""
    value = start + len(_CLASS_ELEMENT) + 2
    length = int.from_bytes(head[value - 2 : value], "little")
    return head[value : value + length].decode("ascii", "replace").strip(" \0")


def read_data_set(
    path: Path, *, tags: list[str] | None = None, budget: int = MAX_HEADER_BYTES
) -> Any:
    """Reads a data set up to its pixels.

    Args:
        path: A DICOM file.
        tags: Keywords of the elements that are wanted; by default all.
        budget: Bytes that it may have.

    Returns:
        The `pydicom.Dataset`.

    Raises:
        DataError: The file is unreadable, damaged, or too large to be read without pixels.
    """
    pydicom = load_pydicom()
    with opened(path, budget=budget) as stream:
        return pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=tags)
