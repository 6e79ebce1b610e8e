"""Sound and unsound NIfTI files for the tests of the reader, and how it refuses them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest

from fedgin.data.nifti import read_header, read_nifti
from fedgin.errors import DataError, Problem

SHAPE = (5, 4, 3)
MIB = 2**20
INT16, COMPLEX64, RGB24, FLOAT128 = 4, 32, 128, 1536


def forge(
    *,
    shape: tuple[int, ...] = SHAPE,
    dtype: type = np.int16,
    affine: np.ndarray | None = None,
    voxels: np.ndarray | None = None,
    order: Literal["<", ">"] = "<",
    version: int = 1,
    **fields: Any,
) -> bytes:
    """Bytes of a .nii file; `fields` are forced into the header after all the rest."""
    klass = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    header = klass(endianness=order)
    header.set_data_dtype(dtype)
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header.set_sform(np.diag([1.5, 1.5, 3.0, 1.0]) if affine is None else affine, code=2)
    header["vox_offset"] = header["sizeof_hdr"] + 4
    header["scl_slope"] = 1
    header["scl_inter"] = 0
    for name, value in fields.items():
        header[name] = value
    stored = np.arange(np.prod(SHAPE)).reshape(SHAPE) if voxels is None else voxels
    data = stored.astype(np.dtype(dtype).newbyteorder(order)).tobytes(order="F")
    return bytes(header.binaryblock) + bytes(4) + data


def refusal(
    path: Path, *, kind: Literal["image", "label"] = "image", header_only: bool = False
) -> Problem:
    """The one problem with which a file is refused."""
    with pytest.raises(DataError) as caught:
        if header_only:
            read_header(path)
        else:
            read_nifti(path, kind=kind)
    assert len(caught.value.problems) == 1, caught.value
    problem = caught.value.problems[0]
    assert problem.where == str(path)
    return problem


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.name.lower().endswith(".gz") else data)
    return path


def says(problem: Problem, rule: str, found: str, mend: str) -> None:
    assert rule in problem.rule
    assert found in problem.found
    assert mend in problem.mend
