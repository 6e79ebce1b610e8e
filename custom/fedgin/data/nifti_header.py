"""The rules that a NIfTI header must keep, checked before any voxel is read."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from fedgin.data.nifti_transforms import CODES, read_qform, transform_doubt
from fedgin.errors import DataError, Problem

HEADER_BYTES = 540
"""Enough for both header versions; NIfTI-1 uses the first 348 bytes."""

MAX_VOXELS = 2**30
"""Largest volume accepted: 4 GiB as float32, twice a long whole-body CT."""

SPACING_RANGE_MM = (0.05, 50.0)
MAX_AXIS_COSINE = 0.01
MAX_EXTENT_MM = 5000.0
"""Longer than any scanner's table; a few voxels of 50 mm would become gigabytes when resampled."""
MAX_ORIGIN_MM = 1e6
MAX_EXTENSION_BYTES = 2**26
"""Header extensions, such as a copy of the DICOM header, are passed over up to this size."""
_SINGULAR = 1e-6
_LENGTHS = 7
"""The bits of xyzt_units that give the unit of lengths."""
_NOT_MM: Mapping[int, str] = MappingProxyType({1: "metres", 3: "micrometres"})
_MAGIC_2 = (b"n+2\0\r\n\x1a\n", b"n+2\0" + bytes(4))
"""The line ends show damage by a transfer as text; some writers leave zeros."""

_EXPORT_AGAIN = "export the volume again from its source"
_SET_TRANSFORM = "set sform or qform to a voxel-to-patient transform in mm, or " + _EXPORT_AGAIN
_KINDS_READ = "integer or real floating point of at most 64 bits"


@dataclass(frozen=True)
class NiftiHeader:
    """What a checked header says about the voxels.

    Attributes:
        shape: Voxels along the three axes; trailing axes of length 1 are dropped.
        dtype: Type in the file, with its byte order.
        affine: Shape (4, 4), float64; maps voxel indices to RAS+ coordinates in mm.
        spacing: Edge lengths of a voxel in mm.
        bytes_needed: Size of the voxels in the file, in bytes, uncompressed.
        data_offset: Position of the first voxel in the uncompressed file, in bytes.
        scaling: Slope and intercept, or None where the stored values are the values.
        doubt: What the header says twice and differently, though it can be read; else None.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    affine: np.ndarray
    spacing: tuple[float, float, float]
    bytes_needed: int
    data_offset: int
    scaling: tuple[float, float] | None
    doubt: str | None = None

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)


def parse_header(raw: bytes, *, where: str) -> NiftiHeader:
    """Turn the first bytes of a file into a checked header.

    Args:
        raw: The first `HEADER_BYTES` bytes of the file, or all where it is shorter.
        where: Name of the file for messages.

    Returns:
        The header, whose every field may be relied upon.

    Raises:
        DataError: The bytes are no NIfTI header, or break one or more rules.
    """
    fields = header_fields(raw, where=where)
    problems: list[Problem] = []
    shape = _shape(fields, where, problems)
    dtype = _dtype(fields, where, problems)
    affine = _affine(fields, where, problems)
    _check_units(fields, where, problems)
    scaling = _scaling(fields, where, problems)
    offset = _offset(fields, where, problems)
    if shape is not None and affine is not None:
        _check_extent(shape, affine, where, problems)
    if problems or shape is None or dtype is None or affine is None:
        raise DataError(problems)
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return NiftiHeader(
        shape=shape,
        dtype=dtype,
        affine=affine,
        spacing=(float(x), float(y), float(z)),
        bytes_needed=math.prod(shape) * dtype.itemsize,
        data_offset=offset,
        scaling=scaling,
        doubt=transform_doubt(fields, shape, affine),
    )


def header_fields(raw: bytes, *, where: str) -> nib.Nifti1Header:
    """Find version and byte order; nibabel would guess where these are damaged.

    Args:
        raw: As for `parse_header`.
        where: Name of the file for messages.

    Returns:
        The fields as they stand in the file, none checked.

    Raises:
        DataError: The bytes are no NIfTI header.
    """
    rule = "a .nii file must begin with a NIfTI-1 or NIfTI-2 header"
    if raw[:2] == b"\x1f\x8b":
        mend = "rename the file to .nii.gz"
        raise DataError(Problem(where, rule, "gzip-compressed data", mend))
    if len(raw) < 348:
        found = f"{len(raw)} bytes, fewer than the 348 of a header"
        raise DataError(Problem(where, rule, found, _EXPORT_AGAIN))
    sizes = {order: struct.unpack(order + "i", raw[:4])[0] for order in "<>"}
    for order, size in sizes.items():
        if size == 348 and raw[344:348] == b"n+1\0":
            return nib.Nifti1Header(raw[:348], endianness=order, check=False)
        if size == 540 and raw[4:12] in _MAGIC_2 and len(raw) >= 540:
            return nib.Nifti2Header(raw[:540], endianness=order, check=False)
    if 348 in sizes.values() and raw[344:348] == b"ni1\0":
        mend = "join the .hdr/.img pair into one .nii file"
        raise DataError(Problem(where, rule, "the header of a .hdr/.img pair", mend))
    found = f"header size {sizes['<']} and magic {raw[344:348]!r}"
    raise DataError(Problem(where, rule, found, "convert the file to NIfTI, or " + _EXPORT_AGAIN))


def _shape(
    fields: nib.Nifti1Header, where: str, problems: list[Problem]
) -> tuple[int, int, int] | None:
    dim = [int(value) for value in fields["dim"]]
    count, sizes = dim[0], tuple(dim[1 : max(dim[0], 0) + 1])
    if not 1 <= count <= 7:
        found = f"dim[0] = {count}"
        rule = "dim[0], the number of axes, must be 1 to 7"
        problems.append(Problem(where, rule, found, _EXPORT_AGAIN))
        return None
    found = f"shape {sizes}"
    if min(sizes) < 1:
        rule = "every axis must have at least one voxel"
        problems.append(Problem(where, rule, found, _EXPORT_AGAIN))
    elif count < 3 or min(sizes[:3]) < 2:
        rule = "a volume must be 3D, with two or more voxels along each axis"
        problems.append(Problem(where, rule, found, "stack the slices into one 3D volume"))
    elif any(size > 1 for size in sizes[3:]):
        rule = "a volume must be 3D; further axes may only have length 1"
        mend = "split the series and keep one 3D volume per file"
        problems.append(Problem(where, rule, found, mend))
    elif math.prod(sizes) > MAX_VOXELS:
        rule = f"a volume must have at most {MAX_VOXELS} voxels"
        mend = "crop or resample the volume; if the shape is wrong, " + _EXPORT_AGAIN
        problems.append(Problem(where, rule, f"{found}, {math.prod(sizes)} voxels", mend))
    else:
        return sizes[0], sizes[1], sizes[2]
    return None


def _dtype(fields: nib.Nifti1Header, where: str, problems: list[Problem]) -> np.dtype | None:
    code = int(fields["datatype"])
    try:
        dtype: np.dtype = fields.get_data_dtype()
        found = f"datatype code {code} ({fields.get_value_label('datatype')})"
        if dtype.kind in "iuf" and dtype.itemsize <= 8:
            return dtype
    except (HeaderDataError, KeyError):
        found = f"unknown datatype code {code}"
    mend = "save one scalar value per voxel, such as int16 or float32"
    problems.append(Problem(where, f"voxels must be {_KINDS_READ}", found, mend))
    return None


def _affine(fields: nib.Nifti1Header, where: str, problems: list[Problem]) -> np.ndarray | None:
    if int(fields["sform_code"]) in CODES:
        affine = np.asarray(fields.get_sform(), dtype=np.float64)
    elif int(fields["qform_code"]) in CODES:
        try:
            affine = read_qform(fields)
        except (HeaderDataError, ValueError) as error:
            rule = "the qform must be a rotation with positive voxel sizes"
            problems.append(Problem(where, rule, str(error), _SET_TRANSFORM))
            return None
    else:
        rule = "the header must place the voxels in the patient (sform_code or qform_code 1 to 5)"
        found = f"sform_code {int(fields['sform_code'])}, qform_code {int(fields['qform_code'])}"
        problems.append(Problem(where, rule, found, _SET_TRANSFORM))
        return None
    fault = affine_fault(affine)
    if fault is None:
        return affine
    problems.append(Problem(where, *fault))
    return None


def affine_fault(affine: np.ndarray) -> tuple[str, str, str] | None:
    """Tell rule, found and mend (of a NIfTI header) of the first rule that an affine breaks."""
    if not np.isfinite(affine).all():
        count = int(np.count_nonzero(~np.isfinite(affine)))
        return "the affine must be finite", f"{count} entries NaN or infinite", _SET_TRANSFORM
    columns = affine[:3, :3]
    with np.errstate(over="ignore", under="ignore"):
        spacing = np.linalg.norm(columns, axis=0)
    listed = ", ".join(f"{value:.6g}" for value in spacing)
    low, high = SPACING_RANGE_MM
    # An axis of length 0 is left to the next rule, which says what is wrong with it.
    if spacing.max() > high or 0 < spacing.min() < low:
        mend = "give lengths in mm; " + _SET_TRANSFORM
        return f"spacing must lie in {low:g} to {high:g} mm", f"spacing {listed} mm", mend
    if abs(affine[:3, 3]).max() > MAX_ORIGIN_MM:
        rule = f"the first voxel must lie within {MAX_ORIGIN_MM:g} mm of the origin"
        found = f"an offset of {abs(affine[:3, 3]).max():.6g} mm"
        return rule, found, "give lengths in mm; " + _SET_TRANSFORM
    determinant = float(np.linalg.det(columns / np.where(spacing > 0, spacing, 1)))
    if abs(determinant) < _SINGULAR:
        found = f"determinant {determinant:.3g} of the axis directions, spacing {listed} mm"
        return "the affine must be invertible (not singular)", found, _SET_TRANSFORM
    directions = columns / spacing
    cosine = max(
        abs(float(directions[:, i] @ directions[:, j]))
        for i, j in itertools.combinations(range(3), 2)
    )
    if cosine > MAX_AXIS_COSINE:
        rule = f"the axes must be orthogonal (cosines up to {MAX_AXIS_COSINE:g}, no shear)"
        return rule, f"cosine {cosine:.3g} between two axes", "resample onto an orthogonal grid"
    return None


def _check_units(fields: nib.Nifti1Header, where: str, problems: list[Problem]) -> None:
    """Refuses lengths in other units than mm; many files leave the unit out and mean mm."""
    code = int(fields["xyzt_units"]) & _LENGTHS
    if code in _NOT_MM:
        rule = "lengths must be in mm (xyzt_units 2, or 0 where it is not said)"
        found = f"xyzt_units {code}, {_NOT_MM[code]}"
        mend = "convert the lengths to mm, or correct the unit where they are in mm already"
        problems.append(Problem(where, rule, found, mend))


def _check_extent(
    shape: tuple[int, int, int], affine: np.ndarray, where: str, problems: list[Problem]
) -> None:
    extent = np.linalg.norm(affine[:3, :3], axis=0) * shape
    if extent.max() > MAX_EXTENT_MM:
        rule = f"a volume must be at most {MAX_EXTENT_MM:g} mm long"
        found = "edges of " + ", ".join(f"{length:.6g}" for length in extent) + " mm"
        problems.append(Problem(where, rule, found, "give lengths in mm; " + _SET_TRANSFORM))


def _scaling(
    fields: nib.Nifti1Header, where: str, problems: list[Problem]
) -> tuple[float, float] | None:
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    # Slope 0 means "not scaled"; NaN is what some writers leave in an unscaled header.
    if slope == 0 or math.isnan(slope) or (slope, intercept) == (1.0, 0.0):
        return None
    if math.isfinite(slope) and math.isfinite(intercept):
        return slope, intercept
    rule = "scl_slope and scl_inter must be finite where scl_slope is not 0"
    mend = "set scl_slope to 0 for unscaled voxels, or " + _EXPORT_AGAIN
    problems.append(Problem(where, rule, f"slope {slope:g}, intercept {intercept:g}", mend))
    return None


def _offset(fields: nib.Nifti1Header, where: str, problems: list[Problem]) -> int:
    offset = float(fields["vox_offset"])
    least = int(fields["sizeof_hdr"]) + 4
    most = least + MAX_EXTENSION_BYTES
    if math.isfinite(offset) and least <= offset <= most and offset == int(offset):
        return int(fields["vox_offset"])
    rule = f"vox_offset must be a whole number of bytes, {least} to {most}"
    problems.append(Problem(where, rule, f"vox_offset {offset:g}", _EXPORT_AGAIN))
    return 0
