"""NIfTI headers and voxels that break a rule, damaged headers, and real volumes."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nifti_files import COMPLEX64, FLOAT128, MIB, RGB24, SHAPE, forge, refusal, says, write

from fedgin.data.nifti import read_header, read_nifti
from fedgin.errors import DataError

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
        ({"vox_offset": 1e30}, "vox_offset must be", "vox_offset 1e+30", "export"),
        ({"vox_offset": 2**26 + 368}, "vox_offset must be", "vox_offset 6.71092e+07", "export"),
        ({"vox_offset": 2**26}, "must hold the voxels", "bytes promised", "copy or export"),
        ({"sform_code": 9}, "place the voxels", "sform_code 9", "set sform or"),
        ({"affine": changed(1, 3, 2e6)}, "within 1e+06 mm", "an offset of 2e+06 mm", "in mm"),
        (
            {"shape": (500, 500, 4), "affine": np.diag([40.0, 40.0, 3.0, 1.0])},
            "at most 5000 mm long",
            "edges of 20000, 20000, 12 mm",
            "in mm",
        ),
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


@pytest.mark.parametrize(("check", "sound"), [((0, 0, 0, 0), True), ((13, 10, 26, 13), False)])
def test_line_ends_that_a_transfer_as_text_changed_are_refused(
    tmp_path: Path, check: tuple[int, ...], sound: bool
) -> None:
    path = write(tmp_path / "a.nii", forge(version=2, eol_check=check))
    if sound:
        assert read_header(path).shape == SHAPE
    else:
        says(refusal(path), "must begin with", "header size 540", "convert the file")


def test_an_unknown_sform_code_leaves_the_qform(tmp_path: Path) -> None:
    pixdim = [1, 2, 3, 4, 0, 0, 0, 0]
    path = write(tmp_path / "a.nii", forge(sform_code=99, qform_code=1, pixdim=pixdim))
    np.testing.assert_allclose(read_nifti(path, kind="image").affine, np.diag([2, 3, 4, 1]))


def test_sizes_of_64_bits_are_not_wrapped_around(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", forge(version=2, dim=[3, 2**32, 2**32, 2**62, 1, 1, 1, 1]))
    says(refusal(path), "at most 1073741824 voxels", str(2**126), "crop")


# ---------------------------------------------------------------- units, and two transforms


@pytest.mark.parametrize(("code", "unit"), [(1, "metres"), (3, "micrometres"), (1 | 8, "metres")])
def test_lengths_in_other_units_are_refused(tmp_path: Path, code: int, unit: str) -> None:
    problem = refusal(write(tmp_path / "a.nii", forge(xyzt_units=code)))
    assert "lengths must be in mm" in problem.rule
    assert problem.found == f"xyzt_units {code & 7}, {unit}"
    assert "convert the lengths" in problem.mend


@pytest.mark.parametrize("code", [0, 2, 2 | 8, 8])
def test_lengths_in_mm_or_without_a_unit_are_read(tmp_path: Path, code: int) -> None:
    header = read_header(write(tmp_path / "a.nii", forge(xyzt_units=code)))
    np.testing.assert_allclose(header.spacing, (1.5, 1.5, 3.0))


def with_qform(file: Path, shift_mm: float) -> Path:
    """A file whose qform lies some way from its sform along x."""
    image = nib.Nifti1Image(np.zeros(SHAPE, np.int16), DIAGONAL)
    image.set_sform(DIAGONAL, code=1)
    image.set_qform(changed(0, 3, shift_mm), code=1)
    nib.save(image, file)
    return file


def test_a_qform_elsewhere_is_told_and_the_sform_followed(tmp_path: Path) -> None:
    file = with_qform(tmp_path / "a.nii.gz", 50)
    volume = read_nifti(file, kind="image")
    np.testing.assert_array_equal(volume.affine, DIAGONAL)
    assert volume.doubt.startswith("sform and qform place the volume up to 50 mm apart")


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_transforms_that_agree_are_not_spoken_of(tmp_path: Path, shift: float) -> None:
    file = with_qform(tmp_path / "a.nii.gz", shift)
    assert read_header(file).doubt is None
    assert read_nifti(file, kind="image").doubt == ""
