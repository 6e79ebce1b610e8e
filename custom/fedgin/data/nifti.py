"""Reading a NIfTI file as a volume: all that can be refused is refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fedgin.data.nifti_header import HEADER_BYTES, NiftiHeader, parse_header
from fedgin.data.nifti_stream import check_image_ratio, check_promise, iter_voxels, open_stream
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem

__all__ = ["NiftiHeader", "read_header", "read_nifti"]

MAX_LABEL = 65535
LABEL_TOLERANCE = 1e-3


def read_header(path: Path) -> NiftiHeader:
    """Read and check a header; no voxel is read.

    Args:
        path: A .nii or .nii.gz file.

    Returns:
        The header of a 3D volume whose file is large enough to hold its voxels.

    Raises:
        DataError: The file is missing, damaged or too small, or its header breaks a rule.
    """
    with open_stream(path) as stream:
        header = parse_header(stream.read(HEADER_BYTES), where=str(path))
        check_promise(path, header)
    return header


def read_nifti(path: Path, *, kind: Literal["image", "label"]) -> Volume:
    """Read a volume as the file stores it: neither reoriented nor resampled.

    Memory grows with the bytes that the file really gives, never with what its header says.

    Args:
        path: A .nii or .nii.gz file.
        kind: An image is returned as float32; a label map as uint8, or uint16 where a value
            exceeds 255.

    Returns:
        The voxels, after the header's scaling, and the affine.

    Raises:
        DataError: As for `read_header`; voxels are missing; an image has NaN or infinite
            voxels; a label map has values that are no integers from 0 to 65535.
    """
    header = read_header(path)
    chunks = iter_voxels(path, header)
    where = str(path)
    if kind == "image":
        check_image_ratio(path, header)
        flat = _image(chunks, header, where)
    elif kind == "label":
        flat = _label(chunks, header, where)
    else:
        raise ValueError(f"kind must be 'image' or 'label', not {kind!r}")
    return Volume(
        array=flat.reshape(header.shape, order="F"),
        affine=header.affine,
        doubt=header.doubt or "",
    )


def _image(chunks: Iterable[np.ndarray], header: NiftiHeader, where: str) -> np.ndarray:
    # A bytearray grows in place as data arrive: a false promise reserves nothing.
    buffer, bad = bytearray(), 0
    for stored in chunks:
        with np.errstate(over="ignore", invalid="ignore"):
            values = _scaled(stored, header).astype(np.float32)
        bad += int(np.count_nonzero(~np.isfinite(values)))
        buffer += values.tobytes()
    if bad:
        rule = "every voxel of an image must be finite in float32"
        found = f"{bad} of {header.voxels} voxels NaN or infinite"
        raise DataError(Problem(where, rule, found, "replace them, for CT by -1024 HU (air)"))
    return np.frombuffer(buffer, dtype=np.float32)


def _label(chunks: Iterable[np.ndarray], header: NiftiHeader, where: str) -> np.ndarray:
    buffer, tally = bytearray(), _Tally()
    dtype: np.dtype = np.dtype(np.uint8)
    for stored in chunks:
        with np.errstate(over="ignore", invalid="ignore"):
            values = tally.add(_scaled(stored, header))
        if tally.highest > 255 and dtype.itemsize == 1:
            dtype = np.dtype(np.uint16)
            buffer = bytearray(np.frombuffer(buffer, dtype=np.uint8).astype(dtype).tobytes())
        buffer += values.astype(dtype, copy=False).tobytes()
    problems = tally.problems(where, header.voxels)
    if problems:
        raise DataError(problems)
    return np.frombuffer(buffer, dtype=dtype)


def _scaled(stored: np.ndarray, header: NiftiHeader) -> np.ndarray:
    if header.scaling is None:
        return stored
    slope, intercept = header.scaling
    scaled: np.ndarray = stored.astype(np.float64) * slope + intercept
    return scaled


@dataclass
class _Tally:
    """Counts over the chunks of a label map, so that one message covers the whole file."""

    not_finite: int = 0
    fractional: int = 0
    negative: int = 0
    too_large: int = 0
    lowest: float = 0
    highest: float = 0

    def add(self, values: np.ndarray) -> np.ndarray:
        """Count the faults of a chunk and return it as uint16, faulty voxels as any value."""
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            self.not_finite += int(np.count_nonzero(~finite))
            values = np.where(finite, values, 0).astype(np.float64)
            whole = np.rint(values)
            self.fractional += int(np.count_nonzero(abs(values - whole) > LABEL_TOLERANCE))
            values = whole
        self.negative += int(np.count_nonzero(values < 0))
        self.too_large += int(np.count_nonzero(values > MAX_LABEL))
        self.lowest = min(self.lowest, values.min().item())
        self.highest = max(self.highest, values.max().item())
        return values.astype(np.uint16)

    def problems(self, where: str, voxels: int) -> list[Problem]:
        """The rules broken over all chunks."""
        export = "export the label map with one integer per structure"
        checks = [
            (self.not_finite, "every label must be finite", "NaN or infinite", export),
            (
                self.fractional,
                f"every label must be an integer (within {LABEL_TOLERANCE:g})",
                "not integers",
                "resample label maps with nearest neighbour, or " + export,
            ),
            (
                self.negative,
                "no label may be negative",
                f"negative, the lowest {self.lowest:g}",
                "map negative values to 0 or to a value of their own",
            ),
            (
                self.too_large,
                f"no label may exceed {MAX_LABEL}",
                f"larger, the highest {self.highest:g}",
                "renumber the labels from 1",
            ),
        ]
        return [
            Problem(where, rule, f"{count} of {voxels} voxels {what}", mend)
            for count, rule, what, mend in checks
            if count
        ]
