"""Writing a label map as NIfTI, on the grid of the file that it belongs to."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO

import nibabel as nib
import numpy as np

from fedgin.data.nifti_header import HEADER_BYTES, header_fields
from fedgin.data.nifti_stream import open_stream
from fedgin.files import write_atomically

_PLACE = (
    *("sform_code", "srow_x", "srow_y", "srow_z", "qform_code", "xyzt_units"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
"""The fields that place voxels in the patient; texts, which may name one, are left behind."""
_SCANNER = 1
_SLAB_BYTES = 2**22
_COMPRESSION = 6


def header_like(path: Path) -> nib.Nifti1Header:
    """Makes a label map's header that places voxels exactly as a file's does.

    Args:
        path: A .nii or .nii.gz file that was read and checked before.

    Returns:
        A header of the same version, little-endian, with the same affines and units.

    Raises:
        DataError: The file is missing or damaged.
    """
    with open_stream(path) as stream:
        fields = header_fields(stream.read(HEADER_BYTES), where=str(path))
    header = type(fields)(endianness="<")
    for name in _PLACE:
        header[name] = fields[name]
    header["pixdim"][:4] = fields["pixdim"][:4]
    return header


def header_at(affine: np.ndarray) -> nib.Nifti1Header:
    """Makes a label map's header from an affine, shape (4, 4), voxel indices to RAS+ mm."""
    header = nib.Nifti1Header(endianness="<")
    header.set_xyzt_units("mm")
    header.set_qform(affine, code=_SCANNER)
    header.set_sform(affine, code=_SCANNER)
    return header


def write_label(path: Path, label: np.ndarray, header: nib.Nifti1Header) -> None:
    """Writes a label map as .nii.gz, whole or not at all, in memory that its size does not raise.

    Args:
        path: The file; its folder must exist.
        label: Shape (X, Y, Z) in the file's order, uint8.
        header: From `header_like` or `header_at`; it is completed here.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    header["dim"] = [3, *label.shape, 1, 1, 1, 1]
    header.set_data_dtype(np.uint8)
    header["vox_offset"] = int(header["sizeof_hdr"]) + 4
    header["scl_slope"], header["scl_inter"] = 1, 0
    step = max(1, _SLAB_BYTES // (label.shape[0] * label.shape[1]))

    def write(file: IO[bytes]) -> None:
        # Neither name nor time: the same labels give the same bytes.
        with gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as stream:
            stream.write(bytes(header.binaryblock) + bytes(4))
            for start in range(0, label.shape[2], step):
                stream.write(label[:, :, start : start + step].tobytes(order="F"))

    write_atomically(path, write)
