"""Seeded damage to NIfTI files: header fields, single bytes, bodies, gzip members and lengths."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from typing import Any, Literal

import nibabel as nib
import numpy as np

_FIELDS = [
    "sizeof_hdr",
    "dim",
    "datatype",
    "bitpix",
    "pixdim",
    "vox_offset",
    "scl_slope",
    "scl_inter",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "srow_x",
    "srow_y",
    "srow_z",
    "magic",
    "xyzt_units",
]
_DTYPES = (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64)
_REALS = (np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0, -0.0, 1e-40, 1e300, -1.0, 0.5, 2.0, 1e6)
_PROMISE_BYTES = 63


def mutated_file(index: int, *, seed: int) -> tuple[str, bytes]:
    """Makes one damaged file, a few KiB large.

    Args:
        index: Number of the file.
        seed: Seed of the series.

    Returns:
        The suffix, .nii or .nii.gz, and the bytes.
    """
    generator = np.random.default_rng([seed, index])
    compressed = bool(generator.integers(2))
    damage = _DAMAGES[index % len(_DAMAGES)]
    plain = _sound(generator)
    if damage is _fields or damage is _header_bytes:
        plain = damage(generator, plain)
        content = gzip.compress(plain, mtime=0) if compressed else plain
    else:
        content = gzip.compress(plain, mtime=0) if compressed else plain
        content = damage(generator, content)
    return (".nii.gz" if compressed else ".nii"), content


def promise_file() -> bytes:
    """Makes a .nii.gz file of 63 bytes that promises 1024 x 1024 x 1024 voxels of 32 bits."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 1024, 1024, 1024, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 16, 32)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<h", header, 254, 1)
    for row in range(3):
        struct.pack_into("<f", header, 280 + 20 * row, 1)
    header[344:348] = b"n+1\0"
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(bytes(header)) + deflate.flush()
    body += struct.pack("<II", zlib.crc32(bytes(header)), len(header))
    name = b"a" * (_PROMISE_BYTES - len(body) - 11) + b"\0"
    return b"\x1f\x8b\x08\x08" + bytes(6) + name + body


def _sound(generator: np.random.Generator) -> bytes:
    klass = nib.Nifti1Header if generator.integers(3) else nib.Nifti2Header
    order: Literal["<", ">"] = "<" if generator.integers(2) else ">"
    dtype = np.dtype(_DTYPES[generator.integers(len(_DTYPES))])
    shape = generator.integers(2, 12, 3)
    header = klass(endianness=order)
    header.set_data_dtype(dtype)
    header["dim"] = [3, *shape, 1, 1, 1, 1]
    header["pixdim"][:4] = [1, 1.5, 1.5, 3]
    if generator.integers(3):
        header.set_sform(np.diag([1.5, 1.5, 3.0, 1.0]), code=1)
    else:
        header["qform_code"] = 1
    header["vox_offset"] = header["sizeof_hdr"] + 4
    header["scl_slope"] = 1
    voxels = generator.integers(0, 100, int(np.prod(shape))).astype(dtype.newbyteorder(order))
    return bytes(header.binaryblock) + bytes(4) + voxels.tobytes()


def _fields(generator: np.random.Generator, plain: bytes) -> bytes:
    """Sets up to four header fields to extreme values."""
    sizes = struct.unpack("<i", plain[:4]) + struct.unpack(">i", plain[:4])
    size = 540 if 540 in sizes else 348
    klass = nib.Nifti2Header if size == 540 else nib.Nifti1Header
    header = klass(plain[:size], check=False)
    for name in generator.choice(_FIELDS, generator.integers(1, 5), replace=False):
        field = header[name]
        kind = field.dtype.kind
        value: Any
        flat = field.reshape(-1)
        place = generator.integers(flat.size)
        with np.errstate(all="ignore"):
            if kind == "f":
                value = np.array(_REALS[generator.integers(len(_REALS))]).astype(field.dtype)
            elif kind in "iu":
                info = np.iinfo(field.dtype)
                choices = (info.min, info.max, 0, 1, 2, 7, 1024 % info.max)
                value = choices[generator.integers(len(choices))]
            else:
                value = generator.bytes(3)
        if flat.size == 1:
            header[name] = value
        else:
            changed = field.copy().reshape(-1)
            changed[place] = value
            header[name] = changed
    return bytes(header.binaryblock) + plain[size:]


def _header_bytes(generator: np.random.Generator, plain: bytes) -> bytes:
    return _flipped(generator, plain, within=348)


def _any_bytes(generator: np.random.Generator, content: bytes) -> bytes:
    return _flipped(generator, content, within=len(content))


def _flipped(generator: np.random.Generator, content: bytes, *, within: int) -> bytes:
    changed = bytearray(content)
    for place in generator.integers(0, within, generator.integers(1, 9)):
        changed[place] = generator.integers(256)
    return bytes(changed)


def _cut(generator: np.random.Generator, content: bytes) -> bytes:
    return content[: generator.integers(len(content))]


def _longer(generator: np.random.Generator, content: bytes) -> bytes:
    """Adds what must not cost time: junk, zeros, members, long names and extra fields."""
    name = b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 50_000 + b"\0" + b"\x03\0" + bytes(8)
    extra = b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff" + bytes(65535) + b"\x03\0" + bytes(8)
    more = (
        generator.bytes(200),
        bytes(3000),
        gzip.compress(b"", mtime=0) * 500,
        gzip.compress(bytes(2**21), mtime=0),
        name,
        extra,
    )
    added = more[generator.integers(len(more))]
    return added + content if generator.integers(4) == 0 else content + added


_DAMAGES: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    _fields,
    _header_bytes,
    _fields,
    _any_bytes,
    _fields,
    _cut,
    _header_bytes,
    _longer,
)
