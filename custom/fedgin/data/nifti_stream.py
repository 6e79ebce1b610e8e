"""Reading the bytes of a NIfTI file in constant memory, with every fault named."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from fedgin.data.gzip_stream import GzipStream
from fedgin.data.nifti_header import NiftiHeader
from fedgin.errors import DataError, Problem
from fedgin.files import open_regular

CHUNK_BYTES = 2**20
MAX_GZIP_RATIO = 1032
"""Deflate spends at least 2 bits on each 258 bytes: no stream inflates further than this."""
MAX_TRAILING_BYTES = 2**20
"""Padding after the voxels is tolerated up to here; more means that the shape is wrong."""

MAX_IMAGE_RATIO = 250
"""No image with a scanner's noise compresses further; a label map may."""
_RATIO_FROM_BYTES = 2**26
"""Smaller volumes may compress as they like: they cost little."""

NIFTI_SUFFIXES = (".nii.gz", ".nii")
_HOLDS_RULE = "the file must hold the voxels that its header promises"
_COPY_AGAIN = "copy or export the file again"


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Reads so many bytes, fewer only at the end."""


def is_gzip(path: Path) -> bool:
    """Tell .nii.gz from .nii by the name.

    Raises:
        DataError: The name ends in neither.
    """
    name = path.name.lower()
    if name.endswith(".nii.gz"):
        return True
    if name.endswith(".nii"):
        return False
    rule, found = "a volume must be a .nii or .nii.gz file", f"the name {path.name!r}"
    mend = "convert the volume to NIfTI and name the file .nii or .nii.gz"
    raise DataError(Problem(str(path), rule, found, mend))


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """Open a file for reading its uncompressed bytes.

    Raises:
        DataError: The file is missing, unreadable, or a gzip file that is cut off or damaged;
            raised also for faults that show only while the stream is being read.
    """
    where, compressed = str(path), is_gzip(path)
    try:
        if not path.is_file():
            found = "something that is not a regular file" if path.exists() else "no such file"
            mend = "correct the path in the site's file"
            raise DataError(Problem(where, "the file must exist", found, mend))
        with open_regular(path) as file:
            yield GzipStream(file) if compressed else file
    except EOFError as error:
        found = "a compressed stream that ends early (truncated)"
        raise DataError(
            Problem(where, "a gzip file must be complete", found, _COPY_AGAIN)
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        mend = _COPY_AGAIN
        if "Not a gzipped file" in str(error):
            mend = "rename the file to .nii if it is not compressed, or " + _COPY_AGAIN
        rule = "a .nii.gz file must be an undamaged gzip file"
        found = str(error).replace("incorrect data check", "CRC check failed")
        raise DataError(Problem(where, rule, found, mend)) from error
    except OSError as error:
        found = error.strerror or type(error).__name__
        mend = "check permissions and storage"
        raise DataError(Problem(where, "the file must be readable", found, mend)) from error


def check_promise(path: Path, header: NiftiHeader) -> None:
    """Refuse a file that is too small or too large for its header, without reading on.

    Raises:
        DataError: The file cannot hold the promised bytes, or holds far more.
    """
    size = path.stat().st_size
    promised = header.data_offset + header.bytes_needed
    compressed = is_gzip(path)
    most = size * MAX_GZIP_RATIO if compressed else size
    # What does not compress grows by less than a hundredth.
    least = int(size / 1.01) if compressed else size
    if most < promised:
        what = f"{size} compressed bytes inflate to at most {most}"
        found = (
            f"{promised} bytes promised (shape {header.shape}, {header.dtype}), but "
            f"{what if compressed else f'the file has {size}'}"
        )
        raise DataError(Problem(str(path), _HOLDS_RULE, found, _COPY_AGAIN))
    if least > promised + MAX_TRAILING_BYTES:
        raise DataError(_too_long(path, header))


def check_image_ratio(path: Path, header: NiftiHeader) -> None:
    """Refuse a large image that compresses as no image of a patient does.

    Raises:
        DataError: A few bytes would become gigabytes of one value.
    """
    size = path.stat().st_size
    large = header.bytes_needed > _RATIO_FROM_BYTES
    if large and is_gzip(path) and header.bytes_needed > MAX_IMAGE_RATIO * size:
        rule = f"a large image must not compress to less than 1/{MAX_IMAGE_RATIO}"
        found = f"{header.bytes_needed} bytes of voxels in {size}"
        mend = "check that the image is not empty, and export it again"
        raise DataError(Problem(str(path), rule, found, mend))


def _too_long(path: Path, header: NiftiHeader) -> Problem:
    rule = "the file must end after the voxels that its header promises"
    found = f"more than {MAX_TRAILING_BYTES} further bytes after {header.shape} voxels"
    return Problem(
        str(path), rule, found, "correct the shape in the header, or export the file again"
    )


def iter_voxels(path: Path, header: NiftiHeader) -> Iterator[np.ndarray]:
    """Yield the stored voxels, first axis fastest, in flat chunks of about 1 MiB.

    The stream is read to its end, so that a gzip checksum is always verified.

    Raises:
        DataError: The file ends before the last voxel, goes on far after it, or is damaged.
    """
    with open_stream(path) as stream:
        _skip(stream, path, header)
        left = header.bytes_needed
        while left:
            data = stream.read(min(CHUNK_BYTES, left))
            left -= len(data)
            if len(data) % header.dtype.itemsize or not data:
                _refuse_short(path, header, header.bytes_needed - left)
            yield np.frombuffer(data, dtype=header.dtype)
        trailing = 0
        while data := stream.read(CHUNK_BYTES):
            trailing += len(data)
            if trailing > MAX_TRAILING_BYTES:
                raise DataError(_too_long(path, header))


def _skip(stream: Stream, path: Path, header: NiftiHeader) -> None:
    """Read past header and extensions; seeking in a gzip stream would hide a short one."""
    left = header.data_offset
    while left:
        data = stream.read(min(CHUNK_BYTES, left))
        if not data:
            _refuse_short(path, header, 0)
        left -= len(data)


def _refuse_short(path: Path, header: NiftiHeader, held: int) -> None:
    found = f"{held} of {header.bytes_needed} bytes of voxels"
    raise DataError(Problem(str(path), _HOLDS_RULE, found, _COPY_AGAIN))
