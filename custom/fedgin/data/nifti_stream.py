"""Reading the bytes of a NIfTI file in constant memory, with every fault named."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from fedgin.data.nifti_header import NiftiHeader
from fedgin.errors import DataError, Problem

CHUNK_BYTES = 2**20
MAX_GZIP_RATIO = 1032
"""Deflate spends at least 2 bits on each 258 bytes: no stream inflates further than this."""
MAX_TRAILING_BYTES = 2**20
"""Padding after the voxels is tolerated up to here; more means that the shape is wrong."""

_HOLDS_RULE = "the file must hold the voxels that its header promises"
_COPY_AGAIN = "copy or export the file again"


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
def open_stream(path: Path) -> Iterator[BinaryIO]:
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
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            yield cast(BinaryIO, stream)
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
        raise DataError(Problem(where, rule, str(error), mend)) from error
    except OSError as error:
        found = error.strerror or type(error).__name__
        mend = "check permissions and storage"
        raise DataError(Problem(where, "the file must be readable", found, mend)) from error


def check_promise(path: Path, header: NiftiHeader) -> None:
    """Refuse a file that is too small for its header, without reading on.

    Raises:
        DataError: The file cannot hold the promised bytes.
    """
    size = path.stat().st_size
    promised = header.data_offset + header.bytes_needed
    if is_gzip(path):
        if size * MAX_GZIP_RATIO >= promised:
            return
        found = (
            f"{promised} bytes promised (shape {header.shape}, {header.dtype}), but {size} "
            f"compressed bytes inflate to at most {size * MAX_GZIP_RATIO}"
        )
    else:
        if size >= promised:
            return
        found = (
            f"{promised} bytes promised (shape {header.shape}, {header.dtype}), but the file "
            f"has {size}"
        )
    raise DataError(Problem(str(path), _HOLDS_RULE, found, _COPY_AGAIN))


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
                rule = "the file must end after the voxels that its header promises"
                found = f"more than {MAX_TRAILING_BYTES} further bytes after {header.shape} voxels"
                mend = "correct the shape in the header, or export the file again"
                raise DataError(Problem(str(path), rule, found, mend))


def _skip(stream: BinaryIO, path: Path, header: NiftiHeader) -> None:
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
