"""Reading NIfTI files: sound ones exactly, unsound ones refused by name and cheaply."""

from __future__ import annotations

import gzip
import os
import resource
import time
import tracemalloc
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pytest
from nifti_files import MIB, SHAPE, forge, refusal, says, write

from fedgin.data.nifti import read_header, read_nifti

# ---------------------------------------------------------------- sound files


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII", "A.Nii.GZ"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_both_versions_and_byte_orders(
    tmp_path: Path, name: str, version: int, order: Literal["<", ">"]
) -> None:
    path = write(tmp_path / name, forge(version=version, order=order))
    header = read_header(path)
    assert header.shape == SHAPE
    assert header.spacing == pytest.approx((1.5, 1.5, 3.0))
    assert header.bytes_needed == 2 * 5 * 4 * 3
    assert header.affine.dtype == np.float64
    volume = read_nifti(path, kind="image")
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, np.arange(60).reshape(SHAPE))
    assert volume.array.flags.writeable


@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
    ],
)
def test_agrees_with_nibabel(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(0)
    # More than one chunk, with a last chunk that is not full.
    array: np.ndarray = rng.integers(0, 100, (130, 70, 131)).astype(dtype)
    image = nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0]), dtype=np.dtype(dtype))
    path = tmp_path / "a.nii.gz"
    nib.save(image, path)
    expected = np.asanyarray(nib.Nifti1Image.from_filename(path).dataobj)
    volume = read_nifti(path, kind="image")
    np.testing.assert_array_equal(volume.array, expected.astype(np.float32))
    np.testing.assert_array_equal(volume.affine, image.affine)
    label = read_nifti(path, kind="label")
    assert label.array.dtype == np.uint8
    np.testing.assert_array_equal(label.array, expected)


def test_trailing_axes_of_one_are_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge(shape=(*SHAPE, 1, 1)))
    assert read_nifti(path, kind="image").array.shape == SHAPE


def test_qform_serves_where_no_sform_is_set(tmp_path: Path) -> None:
    pixdim = [0, 2, 3, 4, 0, 0, 0, 0]
    path = write(tmp_path / "a.nii", forge(sform_code=0, qform_code=1, pixdim=pixdim))
    np.testing.assert_allclose(read_nifti(path, kind="image").affine, np.diag([2, 3, 4, 1]))


@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [
        (2.0, -1024.0, 2 * 7 - 1024),
        (0.0, 5.0, 7),
        (0.0, np.inf, 7),
        (np.nan, np.nan, 7),
        (np.nan, 3.0, 7),
    ],
)
def test_scaling(tmp_path: Path, slope: float, intercept: float, expected: float) -> None:
    data = forge(voxels=np.full(SHAPE, 7), scl_slope=slope, scl_inter=intercept)
    path = write(tmp_path / "a.nii", data)
    assert (read_nifti(path, kind="image").array == expected).all()


@pytest.mark.parametrize(("highest", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_label_takes_the_smallest_type(tmp_path: Path, highest: int, dtype: type) -> None:
    voxels = np.zeros(SHAPE)
    voxels[1, 2, 0] = highest + 0.0005
    path = write(tmp_path / "a.nii", forge(dtype=np.float64, voxels=voxels))
    label = read_nifti(path, kind="label").array
    assert label.dtype == dtype
    assert label[1, 2, 0] == highest
    assert label.sum() == highest


def test_little_padding_after_the_voxels_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", forge() + bytes(512))
    assert read_nifti(path, kind="image").array.shape == SHAPE


# ---------------------------------------------------------------- files


def test_missing(tmp_path: Path) -> None:
    problem = refusal(tmp_path / "none.nii")
    says(problem, "must exist", "no such file", "correct the path")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "a.nii").mkdir()
    says(refusal(tmp_path / "a.nii"), "must exist", "not a regular file", "correct the path")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge())
    path.chmod(0)
    says(refusal(path), "must be readable", "Permission denied", "check permissions")


def test_name_that_the_system_refuses(tmp_path: Path) -> None:
    problem = refusal(tmp_path / ("a" * 300 + ".nii"))
    says(problem, "must be readable", "too long", "check permissions and storage")


@pytest.mark.parametrize("name", ["a.img", "a.nrrd", "a.gz", "nii"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, forge())
    says(refusal(path), ".nii or .nii.gz", repr(name), "convert the volume to NIfTI")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "0 bytes, fewer than the 348"),
        (b"DICM" * 10, "40 bytes, fewer than the 348"),
        (b"DICM" * 200, "header size 1296255300 and magic b'DICM'"),
        (forge()[:344] + b"xyz\0" + bytes(400), "header size 348 and magic b'xyz"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_not_nifti(tmp_path: Path, data: bytes, found: str, name: str) -> None:
    path = write(tmp_path / name, data)
    says(refusal(path), "must begin with a NIfTI-1 or NIfTI-2 header", found, "export")


def test_pair_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge(magic=b"ni1"))
    says(refusal(path), "must begin with", "header of a .hdr/.img pair", "join the .hdr/.img")


def test_compressed_under_a_plain_name(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(gzip.compress(forge()))
    says(refusal(path), "must begin with", "gzip-compressed data", "rename the file to .nii.gz")


def test_plain_under_a_compressed_name(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(forge())
    says(refusal(path), "undamaged gzip", "Not a gzipped file", "rename the file to .nii")


def random_volume() -> bytes:
    voxels = np.random.default_rng(0).integers(-1000, 1000, (40, 40, 40))
    return forge(shape=voxels.shape, voxels=voxels)


@pytest.mark.parametrize("kept", [0.9, 0.999])
def test_truncated_gzip(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.nii.gz"
    data = gzip.compress(random_volume())
    path.write_bytes(data[: int(len(data) * kept)])
    says(refusal(path), "gzip file must be complete", "truncated", "copy or export")


def test_gzip_without_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(random_volume())[:-8])
    says(refusal(path), "gzip file must be complete", "truncated", "copy or export")


def test_gzip_with_a_wrong_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    data = bytearray(gzip.compress(random_volume()))
    data[-8] ^= 1
    path.write_bytes(data)
    says(refusal(path), "undamaged gzip", "CRC check failed", "copy or export")


def test_gzip_with_damaged_data(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    data = bytearray(gzip.compress(random_volume()))
    data[10:60] = b"\xff" * 50
    path.write_bytes(data)
    says(refusal(path), "undamaged gzip", "Error -3 while decompressing", "copy or export")


def test_plain_file_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge()[:-1])
    says(
        refusal(path, header_only=True),
        "must hold the voxels",
        "472 bytes promised (shape (5, 4, 3), int16), but the file has 471",
        "copy or export",
    )


@pytest.mark.parametrize(("cut", "held"), [(1, 119), (120, 0), (123, 0)])
def test_sound_gzip_of_a_file_cut_off(tmp_path: Path, cut: int, held: int) -> None:
    path = write(tmp_path / "a.nii.gz", forge()[:-cut])
    says(refusal(path), "must hold the voxels", f"{held} of 120 bytes", "copy or export")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_far_more_data_than_promised(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, forge() + bytes(2 * MIB))
    problem = refusal(path)
    says(problem, "must end after the voxels", "1048576 further bytes", "correct the shape")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("shape", "rule", "found"),
    [
        ((1024, 1024, 1024), "must hold the voxels", "2147484000 bytes promised"),
        ((32767, 32767, 32767), "at most 1073741824 voxels", "35181150961663 voxels"),
    ],
)
def test_false_promise_is_cheap(
    tmp_path: Path, name: str, shape: tuple[int, ...], rule: str, found: str
) -> None:
    path = write(tmp_path / name, forge(shape=shape)[:352])
    if path.suffix == ".gz":
        assert path.stat().st_size < 120
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    tracemalloc.start()
    problem = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - started < 1
    assert peak < 4 * MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 20 * 1024  # KiB
    says(problem, rule, found, "export")


def test_promise_within_the_gzip_ratio_costs_what_the_stream_gives(tmp_path: Path) -> None:
    # 1 MiB that does not compress could inflate to 1 GiB by the ratio; it gives 1 MiB.
    noise = np.random.default_rng(0).integers(0, 256, MIB, dtype=np.uint8).tobytes()
    path = write(tmp_path / "a.nii.gz", forge(shape=(512, 512, 1024))[:352] + noise)
    tracemalloc.start()
    problem = refusal(path, kind="label")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB
    says(problem, "must hold the voxels", "1048576 of 536870912 bytes", "copy or export")


def test_a_large_image_of_one_value_is_refused_and_its_label_map_is_read_sparingly(
    tmp_path: Path,
) -> None:
    shape = (512, 512, 260)  # 65 MiB in 66 KiB
    voxels = np.zeros(shape, dtype=np.uint8)
    path = write(tmp_path / "a.nii.gz", forge(shape=shape, dtype=np.uint8, voxels=voxels))
    says(refusal(path), "must not compress to less than 1/250", "68157440 bytes", "not empty")
    tracemalloc.start()
    label = read_nifti(path, kind="label").array
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert label.dtype == np.uint8
    assert peak < 1.3 * voxels.nbytes


def test_label_values_that_grow_late_widen_all_voxels(tmp_path: Path) -> None:
    voxels = np.full((128, 128, 130), 7)
    voxels[-1, -1, -1] = 300
    path = write(tmp_path / "a.nii", forge(shape=voxels.shape, voxels=voxels))
    label = read_nifti(path, kind="label").array
    assert label.dtype == np.uint16
    np.testing.assert_array_equal(label, voxels)


def test_a_plain_file_that_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge())
    with path.open("r+b") as file:
        file.truncate(2**40)  # a sparse file of 1 TiB
    says(refusal(path, header_only=True), "must end after the voxels", "further bytes", "shape")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii")
    says(refusal(tmp_path / "a.nii"), "must exist", "not a regular file", "correct the path")
