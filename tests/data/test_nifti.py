"""Reading NIfTI files: sound ones exactly, unsound ones refused by name and cheaply."""

from __future__ import annotations

import gzip
import json
import os
import resource
import time
import tracemalloc
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    problem = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB
    says(problem, "must hold the voxels", "1048576 of 536870912 bytes", "copy or export")


# ---------------------------------------------------------------- headers

DIAGONAL = np.diag([1.5, 1.5, 3.0, 1.0])


def changed(row: int, column: int, value: float) -> np.ndarray:
    affine = DIAGONAL.copy()
    affine[row, column] = value
    return affine


@pytest.mark.parametrize(
    ("changes", "rule", "found", "mend"),
    [
        ({"shape": (5, 4)}, "must be 3D", "(5, 4)", "stack the slices"),
        ({"shape": (5, 4, 1)}, "must be 3D", "(5, 4, 1)", "stack the slices"),
        ({"shape": (5, 4, 1, 1)}, "must be 3D", "(5, 4, 1, 1)", "stack the slices"),
        ({"shape": (5, 4, 3, 2)}, "must be 3D", "(5, 4, 3, 2)", "split the series"),
        ({"shape": (5, 4, 3, 1, 3)}, "must be 3D", "(5, 4, 3, 1, 3)", "split the series"),
        ({"shape": (5, 0, 3)}, "at least one voxel", "(5, 0, 3)", "export"),
        ({"shape": (5, -4, 3)}, "at least one voxel", "(5, -4, 3)", "export"),
        ({"dim": [0] * 8}, "must be 1 to 7", "dim[0] = 0", "export"),
        ({"dim": [8] * 8}, "must be 1 to 7", "dim[0] = 8", "export"),
        ({"dim": [-3] * 8}, "must be 1 to 7", "dim[0] = -3", "export"),
        ({"datatype": RGB24}, "integer or real", "code 128 (RGB)", "one scalar value"),
        ({"datatype": 2304}, "integer or real", "code 2304 (RGBA)", "one scalar value"),
        ({"datatype": COMPLEX64}, "integer or real", "32 (complex64)", "one scalar value"),
        ({"datatype": FLOAT128}, "integer or real", "1536 (float128)", "one scalar value"),
        ({"datatype": 1}, "integer or real", "code 1 (binary)", "one scalar value"),
        ({"datatype": 777}, "integer or real", "unknown datatype code 777", "one scalar"),
        ({"affine": changed(0, 3, np.nan)}, "finite", "1 entries NaN or infinite", "set sform"),
        ({"affine": changed(0, 0, np.inf)}, "finite", "1 entries NaN or infinite", "set sform"),
        ({"affine": changed(1, 1, 0)}, "not singular", "spacing 1.5, 0, 3 mm", "set sform"),
        (
            {"affine": np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])},
            "not singular",
            "determinant 0",
            "set sform",
        ),
        ({"sform_code": 0, "qform_code": 0}, "place the voxels", "qform_code 0", "set sform or"),
        ({"sform_code": -1}, "place the voxels", "sform_code -1", "set sform or"),
        ({"affine": changed(2, 2, 0.049)}, "0.05 to 50 mm", "1.5, 1.5, 0.049 mm", "in mm"),
        ({"affine": changed(2, 2, -51)}, "0.05 to 50 mm", "1.5, 1.5, 51 mm", "in mm"),
        ({"affine": changed(0, 1, 0.1)}, "orthogonal", "cosine 0.0665", "resample"),
        (
            {"sform_code": 0, "qform_code": 1, "quatern_b": 2.0},
            "the qform must be a rotation",
            "w2 should be positive",
            "set sform or qform",
        ),
        (
            {"sform_code": 0, "qform_code": 1, "pixdim": [1, -1, 1, 1, 0, 0, 0, 0]},
            "the qform must be a rotation",
            "should be positive",
            "set sform or qform",
        ),
        (
            {"sform_code": 0, "qform_code": 1, "qoffset_x": np.nan},
            "the affine must be finite",
            "1 entries",
            "set sform or qform",
        ),
        ({"scl_slope": np.inf}, "must be finite", "slope inf, intercept 0", "set scl_slope to 0"),
        ({"scl_inter": np.nan}, "must be finite", "slope 1, intercept nan", "set scl_slope to 0"),
        ({"vox_offset": 0}, "vox_offset must be", "vox_offset 0", "export"),
        ({"vox_offset": 352.5}, "vox_offset must be", "vox_offset 352.5", "export"),
        ({"vox_offset": np.nan}, "vox_offset must be", "vox_offset nan", "export"),
        ({"vox_offset": -np.inf}, "vox_offset must be", "vox_offset -inf", "export"),
        ({"vox_offset": 1e30}, "must hold the voxels", "bytes promised", "copy or export"),
    ],
)
def test_bad_header(
    tmp_path: Path, changes: dict[str, Any], rule: str, found: str, mend: str
) -> None:
    path = write(tmp_path / "a.nii", forge(**changes))
    says(refusal(path, header_only=True), rule, found, mend)
    path = write(tmp_path / "a.nii.gz", forge(**changes))
    says(refusal(path), rule, found, mend)


def test_affine_beyond_float32(tmp_path: Path) -> None:
    data = forge(version=2, affine=np.diag([1e200, 1.0, 1.0, 1.0]))
    problem = refusal(write(tmp_path / "a.nii", data))
    says(problem, "0.05 to 50 mm", "spacing inf, 1, 1 mm", "in mm")


def test_all_problems_of_a_header_come_together(tmp_path: Path) -> None:
    data = forge(shape=(5, 4), datatype=RGB24, sform_code=0, vox_offset=1, scl_slope=np.inf)
    with pytest.raises(DataError) as caught:
        read_header(write(tmp_path / "a.nii", data))
    text = [problem.rule for problem in caught.value.problems]
    assert len(text) == 5
    for word in ["3D", "integer or real", "place the voxels", "scl_slope", "vox_offset"]:
        assert any(word in rule for rule in text)


# ---------------------------------------------------------------- voxels


def test_image_with_voxels_that_are_not_finite(tmp_path: Path) -> None:
    voxels = np.zeros(SHAPE)
    voxels[0, 0, 0], voxels[1, 1, 1], voxels[2, 2, 2] = np.nan, np.inf, -np.inf
    voxels[3, 3, 2] = 1e300  # finite as float64 only
    path = write(tmp_path / "a.nii", forge(dtype=np.float64, voxels=voxels))
    says(refusal(path), "must be finite", "4 of 60 voxels NaN or infinite", "replace them")


@pytest.mark.parametrize(
    ("values", "rule", "found", "mend"),
    [
        ([0.5, 1.002], "must be an integer", "2 of 60 voxels not integers", "nearest neighbour"),
        ([np.nan, np.inf], "label must be finite", "2 of 60 voxels NaN", "one integer per"),
        ([-1, -7], "may be negative", "2 of 60 voxels negative, the lowest -7", "map negative"),
        ([65536], "may exceed 65535", "1 of 60 voxels larger, the highest 65536", "renumber"),
    ],
)
def test_bad_labels(tmp_path: Path, values: list[float], rule: str, found: str, mend: str) -> None:
    voxels = np.zeros(60)
    voxels[: len(values)] = values
    path = write(tmp_path / "a.nii.gz", forge(dtype=np.float32, voxels=voxels.reshape(SHAPE)))
    says(refusal(path, kind="label"), rule, found, mend)


def test_bad_integer_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge(voxels=np.full(SHAPE, -3)))
    says(refusal(path, kind="label"), "negative", "60 of 60 voxels negative, the lowest -3", "map")


def test_label_is_judged_after_scaling(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge(voxels=np.full(SHAPE, 3), scl_slope=0.5))
    says(refusal(path, kind="label"), "must be an integer", "60 of 60", "nearest neighbour")
    path = write(tmp_path / "b.nii", forge(voxels=np.full(SHAPE, 4), scl_slope=0.5))
    assert (read_nifti(path, kind="label").array == 2).all()


def test_unknown_kind_is_an_error_of_the_caller(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge())
    with pytest.raises(ValueError, match="kind must be"):
        read_nifti(path, kind="mask")  # type: ignore[arg-type]


# ---------------------------------------------------------------- damaged headers

FIELDS = [*range(0, 4), *range(40, 56), *range(70, 120), *range(252, 328), *range(344, 348)]
MUTATIONS = st.lists(
    st.tuples(st.one_of(st.sampled_from(FIELDS), st.integers(0, 351)), st.integers(0, 255)),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    mutations=MUTATIONS,
    name=st.sampled_from(["a.nii", "a.nii.gz"]),
    kind=st.sampled_from(["image", "label"]),
    form=st.sampled_from([(">", 1), ("<", 1), ("<", 2)]),
    coded_by_qform=st.booleans(),
)
def test_damaged_header_gives_a_volume_or_a_refusal(
    folder: Path,
    mutations: list[tuple[int, int]],
    name: str,
    kind: Literal["image", "label"],
    form: tuple[Literal["<", ">"], int],
    coded_by_qform: bool,
) -> None:
    codes: dict[str, Any] = {"sform_code": 0, "qform_code": 1} if coded_by_qform else {}
    data = bytearray(forge(order=form[0], version=form[1], **codes))
    for position, value in mutations:
        data[position] = value
    path = write(folder / name, bytes(data))
    started = time.perf_counter()
    tracemalloc.start()
    try:
        volume = read_nifti(path, kind=kind)
    except DataError as error:
        assert all(problem.where == str(path) for problem in error.problems)
    else:
        assert volume.array.ndim == 3
        assert np.isfinite(volume.array).all()
        assert np.isfinite(volume.affine).all()
        assert 0.05 <= min(volume.spacing) <= max(volume.spacing) <= 50
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 * MIB
    assert time.perf_counter() - started < 2


# ---------------------------------------------------------------- real volumes


def real_data() -> Path:
    named = os.environ.get("FEDGIN_REAL_DATA")
    repository = Path(__file__).resolve().parents[2]
    return Path(named) if named else repository.parent / "shared" / "data" / "totalsegmentator"


@pytest.mark.skipif(not (real_data() / "manifest.json").is_file(), reason="no real volumes here")
@pytest.mark.parametrize("number", range(3))
def test_real_volumes(number: int) -> None:
    entry = json.loads((real_data() / "manifest.json").read_text())[number]
    image = read_nifti(real_data() / entry["image"], kind="image")
    label = read_nifti(real_data() / entry["label"], kind="label")
    for volume in (image, label):
        assert volume.array.shape == tuple(entry["shape"])
        assert volume.spacing == pytest.approx(entry["spacing"], abs=1e-3)
        assert "".join(nib.aff2axcodes(volume.affine)) == entry["orientation"]
    assert image.array.min() == entry["intensity"][0]
    assert image.array.max() == entry["intensity"][-1]
    counts = np.bincount(label.array.ravel(), minlength=256)
    expected = {item["value"]: item["voxels"] for item in entry["labels"].values()}
    assert {value: counts[value] for value in np.flatnonzero(counts) if value} == expected
