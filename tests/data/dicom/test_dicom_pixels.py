"""Stored bits become intensities: signs, scaling, inversion, compression, many frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from site_files import problems_of

from dicom_trees import enhanced, oblique, save, uid, voxels, write_series
from fedgin.data.dicom.series import read_series
from fedgin.errors import DataError


def read(folder: Path) -> np.ndarray:
    return read_series(folder).volume.array


def test_slope_and_intercept_are_those_of_each_slice(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.RescaleSlope, data.RescaleIntercept = str(0.5 + place), str(-10.25 * place)

    write_series(tmp_path, voxels(), oblique(), edit=edit)
    place = np.arange(6.0)
    expected = voxels() * (0.5 + place) - 10.25 * place
    np.testing.assert_array_equal(read(tmp_path), expected.astype(np.float32))


def test_unsigned_values_above_the_signed_range_stay_positive(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.PixelRepresentation = 0

    stored = voxels().astype(np.uint16)
    assert stored.max() > 40_000
    write_series(tmp_path, voxels(), oblique(), edit=edit)
    np.testing.assert_array_equal(read(tmp_path), stored)


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_that_are_not_in_use_do_not_count(tmp_path: Path, signed: int) -> None:
    values = voxels() if signed else voxels() + 1000

    def edit(data: Dataset, place: int) -> None:
        data.BitsStored, data.HighBit, data.PixelRepresentation = 12, 11, signed
        bits = np.ascontiguousarray(values[..., place].T).astype(np.uint16)
        overlay = np.uint16(0x8000) * (np.indices(bits.shape).sum(axis=0) % 2).astype(np.uint16)
        data.PixelData = (bits & 0xFFF | overlay).tobytes()

    write_series(tmp_path, values, oblique(), edit=edit)
    np.testing.assert_array_equal(read(tmp_path), values)


def test_eight_bits(tmp_path: Path) -> None:
    values = (voxels() % 256).astype(np.uint8)

    def edit(data: Dataset, place: int) -> None:
        data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
        data.PixelRepresentation = 0
        pixels = np.ascontiguousarray(values[..., place].T).tobytes()
        data.PixelData = pixels + bytes(len(pixels) % 2)

    write_series(tmp_path, values, oblique(), edit=edit, modality="MR")
    np.testing.assert_array_equal(read(tmp_path), values)


def test_monochrome1_turns_mr_over_and_leaves_hu(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.PhotometricInterpretation = "MONOCHROME1"
        data.BitsStored, data.HighBit, data.PixelRepresentation = 12, 11, 0

    values = voxels() + 1000
    write_series(tmp_path / "mr", values, oblique(), edit=edit, modality="MR")
    write_series(tmp_path / "ct", values, oblique(), edit=edit)
    np.testing.assert_array_equal(read(tmp_path / "mr"), 4095 - values)
    np.testing.assert_array_equal(read(tmp_path / "ct"), values)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_byte_orders(tmp_path: Path, syntax: str) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            data.PixelData = np.ascontiguousarray(voxels()[..., place].T).astype(">i2").tobytes()
            data["PixelData"].VR = "OW"

    write_series(tmp_path, voxels(), oblique(), edit=edit)
    np.testing.assert_array_equal(read(tmp_path), voxels())


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_slices_are_those_that_were_compressed(tmp_path: Path, syntax: str) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.compress(syntax, generate_instance_uid=False)

    write_series(tmp_path, voxels((16, 12, 5)), oblique(), edit=edit)
    np.testing.assert_array_equal(read(tmp_path), voxels((16, 12, 5)))


def test_a_compressed_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.compress(JPEGLSLossless, generate_instance_uid=False)
        if place == 1:
            data.Rows, data.Columns = 8, 8

    write_series(tmp_path, voxels((8, 8, 3)), oblique())
    write_series(tmp_path, voxels((16, 12, 3)), oblique(), edit=edit)
    problems = problems_of(lambda: read_series(tmp_path), DataError)
    assert "same size" in problems[0].rule

    def all_wrong(data: Dataset, place: int) -> None:
        edit(data, place)
        data.Rows, data.Columns = 8, 8

    write_series(tmp_path, voxels((16, 12, 3)), oblique(), edit=all_wrong)
    problems = problems_of(lambda: read_series(tmp_path), DataError)
    assert len(problems) == 3
    assert {problem.rule for problem in problems} == {
        "a compressed frame must have the size that the header states"
    }
    assert problems[0].found == "12 rows, 16 columns compressed; 8 rows, 8 columns stated"


def test_jpeg_2000_of_another_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    size = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + b"".join(
        number.to_bytes(4, "big") for number in (60_000, 50_000, 0, 0)
    )

    def edit(data: Dataset, place: int) -> None:
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
        data.PixelData = encapsulate([size + bytes(40)])
        data["PixelData"].is_undefined_length = True

    write_series(tmp_path, voxels(), oblique(), edit=edit)
    problems = problems_of(lambda: read_series(tmp_path), DataError)
    assert problems[0].found == "50000 rows, 60000 columns compressed; 7 rows, 9 columns stated"


# ---------------------------------------------------------------- many frames


def test_an_enhanced_image_is_read_by_its_frames(tmp_path: Path) -> None:
    array, affine = voxels(), oblique()
    save(enhanced(array, affine, [4, 0, 2, 5, 1, 3]), tmp_path / "enhanced.dcm")
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, array * np.arange(1.0, 7) + 2)
    np.testing.assert_allclose(series.volume.affine, affine, atol=1e-6)
    assert series.files == (tmp_path / "enhanced.dcm",)
    assert [frame.index for frame in series.frames] == [1, 4, 2, 5, 0, 3]


def test_an_enhanced_image_without_places_or_beside_another_is_refused(tmp_path: Path) -> None:
    whole = enhanced(voxels(), oblique(), [0, 1, 2, 3, 4, 5])
    save(whole, tmp_path / "a.dcm")
    whole.SOPInstanceUID = uid("another")
    save(whole, tmp_path / "b.dcm")
    (problem,) = problems_of(lambda: read_series(tmp_path), DataError)
    assert problem.found == "2 images, of which 2 have many frames: 'a.dcm', 'b.dcm'"
    (tmp_path / "b.dcm").unlink()
    del whole.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    save(whole, tmp_path / "a.dcm")
    (problem,) = problems_of(lambda: read_series(tmp_path), DataError)
    assert "no ImagePositionPatient" in problem.found
