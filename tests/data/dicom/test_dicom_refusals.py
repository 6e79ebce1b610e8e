"""What is no sound series is refused by name, with the value found, and nothing hides another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    JPEGLosslessSV1,
    RTStructureSetStorage,
)
from site_files import problems_of

from dicom_trees import LPS, oblique, save, slice_data_set, uid, voxels, write_series
from fedgin.data.dicom.series import read_series
from fedgin.errors import DataError, Problem


def refused(folder: Path) -> tuple[Problem, ...]:
    return problems_of(lambda: read_series(folder), DataError)


def refusal(folder: Path) -> Problem:
    (problem,) = refused(folder)
    assert problem.where == str(folder)
    assert problem.mend
    return problem


def move(data: Dataset, step: np.ndarray) -> None:
    data.ImagePositionPatient = list(np.array(data.ImagePositionPatient, float) + step)


def set_tag(**values: object) -> Callable[[Dataset, int], None]:
    def edit(data: Dataset, place: int) -> None:
        for key, value in values.items():
            setattr(data, key, value)

    return edit


def only(place: int, edit: Callable[[Dataset, int], None]) -> Callable[[Dataset, int], None]:
    return lambda data, k: edit(data, k) if k == place else None


def without(*keywords: str) -> Callable[[Dataset, int], None]:
    def edit(data: Dataset, place: int) -> None:
        for keyword in keywords:
            delattr(data, keyword)

    return edit


@pytest.mark.parametrize(
    ("edit", "rule", "found"),
    [
        pytest.param(
            lambda data, k: move(data, np.array([0.0, 0.35 * k, 0.0])),
            "no gantry tilt",
            "degrees off the normal",
            id="sheared",
        ),
        pytest.param(
            set_tag(GantryDetectorTilt="12.5"),
            "no gantry tilt",
            "GantryDetectorTilt 12.5",
            id="tilt",
        ),
        pytest.param(
            only(2, lambda data, k: move(data, -LPS[:3, :3] @ oblique()[:3, 2])),
            "position of its own",
            "1 doubled: 'IM0001.dcm' and 'IM0002.dcm'",
            id="doubled",
        ),
        pytest.param(
            only(2, lambda data, k: move(data, 0.3 * LPS[:3, :3] @ oblique()[:3, 2])),
            "equal distances",
            "2 of 5 gaps unlike the usual 4.00 mm: 5.20 mm between 'IM0001.dcm' and 'IM0002.dcm'",
            id="uneven",
        ),
        pytest.param(
            only(2, lambda data, k: move(data, 0.3 * LPS[:3, :3] @ oblique()[:3, 0])),
            "above one another",
            "1 shifted within their plane",
            id="shifted",
        ),
        pytest.param(
            only(4, set_tag(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])),
            "the same orientation",
            "and (1, 0, 0, 0, 1, 0) in 'IM0004.dcm', 1 of 6 slices",
            id="orientation",
        ),
        pytest.param(
            only(4, set_tag(PixelSpacing=["2.5", "1.5"])),
            "the same spacing",
            "(2, 1.5) in 'IM0000.dcm' and (2.5, 1.5) in 'IM0004.dcm'",
            id="spacing",
        ),
        pytest.param(
            only(1, set_tag(Rows=9, Columns=7)),
            "the same size",
            "7 x 9 in 5, 9 x 7 in 1 files",
            id="size",
        ),
        pytest.param(
            only(1, set_tag(PatientID="bert")),
            "the same patient",
            "'anna' in 5, 'bert' in 1 files",
            id="patient",
        ),
        pytest.param(
            only(1, set_tag(FrameOfReferenceUID="1.2.3")),
            "the same frame of reference",
            "'1.2.3' in 1 files",
            id="frame-of-reference",
        ),
        pytest.param(
            only(0, set_tag(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])),
            "no localizer",
            "1 of 6 files: 'IM0000.dcm'",
            id="localizer",
        ),
        pytest.param(
            set_tag(PhotometricInterpretation="PALETTE COLOR"),
            "must be grey",
            "6 of 6 files: 'IM0000.dcm': PALETTE COLOR with 1 samples",
            id="colour",
        ),
        pytest.param(
            without("ImagePositionPatient", "PixelSpacing", "Modality"),
            "elements that its voxels",
            "6 of 6 files: 'IM0000.dcm': no Modality, no PixelSpacing, no ImagePositionPatient; ",
            id="missing",
        ),
        pytest.param(
            only(3, without("RescaleSlope")),
            "elements that its voxels",
            "1 of 6 files: 'IM0003.dcm': no RescaleSlope",
            id="no-slope",
        ),
        pytest.param(
            only(3, set_tag(RescaleSlope="0")),
            "slope must not be 0",
            "RescaleSlope 0",
            id="slope-0",
        ),
        pytest.param(
            set_tag(BitsStored=12, HighBit=15), "lowest bits", "HighBit 15", id="high-bit"
        ),
        pytest.param(
            set_tag(ImageOrientationPatient=[1, 0, 0, 0.7, 0.7, 0]),
            "unit vectors at right angles",
            "(1, 0, 0, 0.7, 0.7, 0)",
            id="not-orthogonal",
        ),
        pytest.param(
            set_tag(NumberOfFrames=4), "say where each lies", "4 frames without", id="frames"
        ),
        pytest.param(set_tag(Rows=20_000), "2 to 8192 rows", "20000 rows, 9 columns", id="huge"),
        pytest.param(
            set_tag(Rows=4000, Columns=4000),
            "hold the pixels that its header promises",
            "of 32000000 bytes",
            id="promises",
        ),
        pytest.param(
            set_tag(PixelSpacing=["0.001", "0.001"]), "spacing must lie in", "0.001", id="tiny"
        ),
    ],
)
def test_a_fault_of_the_headers_is_named(
    tmp_path: Path, edit: Callable[[Dataset, int], None], rule: str, found: str
) -> None:
    write_series(tmp_path / "s", voxels(), oblique(), edit=edit)
    problem = refusal(tmp_path / "s")
    assert rule in problem.rule
    assert found in problem.found


def test_a_missing_slice_is_named_by_its_neighbours(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s", voxels(), oblique())
    paths[3].unlink()
    assert refusal(tmp_path / "s").found == (
        "1 of 4 gaps unlike the usual 4.00 mm: 8.00 mm between 'IM0002.dcm' and 'IM0004.dcm', "
        "1 missing"
    )


def test_a_stated_non_finite_number_is_named(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.ImagePositionPatient = [0, 0, place]
        data["ImagePositionPatient"]._value = ["nan", 0, place]

    (path, *_) = write_series(tmp_path / "s", voxels(), oblique(), edit=only(0, edit))
    assert b"nan" in path.read_bytes()
    assert "ImagePositionPatient" in refusal(tmp_path / "s").found


def test_phases_at_one_position_are_told_apart(tmp_path: Path) -> None:
    for number, echo in enumerate(("2.3", "4.6")):
        write_series(
            tmp_path / "s",
            voxels(),
            oblique(),
            modality="MR",
            name=lambda k, number=number: f"IM{k}-{number}",
            edit=set_tag(EchoTime=echo),
        )
    problem = refusal(tmp_path / "s")
    assert "6 doubled: " in problem.found
    assert "and 1 more (the series has EchoTime 2.3, 4.6)" in problem.found


def test_several_series_are_listed_with_their_numbers(tmp_path: Path) -> None:
    write_series(tmp_path / "s", voxels(), oblique())
    write_series(
        tmp_path / "s",
        voxels()[..., :4],
        oblique(),
        series="two",
        name=lambda k: f"b{k}",
        edit=set_tag(SeriesNumber=7),
    )
    problem = refusal(tmp_path / "s")
    assert problem.rule == "a folder must hold the images of one series"
    assert problem.found == (
        f"2 series: number 3 (CT, 6 slices, '{uid('one')}'); number 7 (CT, 4 slices, "
        f"'{uid('two')}')"
    )


def test_a_data_set_whose_files_have_each_a_series_is_read_as_a_whole(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.SeriesInstanceUID = data.PatientID = uid("own", place)

    write_series(tmp_path / "s", voxels(), oblique(), edit=edit)
    series, patients = refused(tmp_path / "s")
    assert series.found.startswith("6 series: number 3 (CT, 1 slices, ")
    assert "same patient" in patients.rule
    series = read_series(tmp_path / "s", whole_folder=True)
    np.testing.assert_array_equal(series.volume.array, voxels())


def test_all_faults_of_all_files_are_told(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        if place == 1:
            del data.RescaleIntercept
        if place in (2, 3):
            data.PhotometricInterpretation = "RGB"
            data.Rows = 1

    write_series(tmp_path / "s", voxels(), oblique(), edit=edit)
    assert {problem.rule.split(",")[0][:40] for problem in refused(tmp_path / "s")} == {
        "a DICOM file must have the elements that"[:40],
        "an image must be grey",
        "an image must have 2 to 8192 rows and co",
    }


# ---------------------------------------------------------------- files


def test_a_single_slice_is_no_volume(tmp_path: Path) -> None:
    write_series(tmp_path / "s", voxels()[..., :1], oblique())
    problem = refusal(tmp_path / "s")
    assert (problem.rule, problem.found) == ("a volume needs two or more slices", "1 slice")


def test_no_folder_and_no_image_are_told_apart(tmp_path: Path) -> None:
    assert refusal(tmp_path / "s").found == "no such folder"
    (tmp_path / "s" / "1").mkdir(parents=True)
    assert refusal(tmp_path / "s").found == "0 DICOM files, none an image; beside them '1/'"
    (tmp_path / "s" / "1").rmdir()
    assert refusal(tmp_path / "s").found == "0 DICOM files, none an image"


def test_files_that_are_no_dicom_are_counted_and_listed(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s", voxels(), oblique())
    paths[5].write_bytes(b"")  # without this refusal the volume would be one slice shorter
    (tmp_path / "s" / "IM9999").write_bytes(bytes(200))
    problem = refusal(tmp_path / "s")
    assert problem.found == "2 of 7 files without: 'IM0005.dcm', 'IM9999'"


def test_what_lies_beside_the_slices_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_series(tmp_path / "s", voxels(), oblique())
    for name in ("DICOMDIR", ".DS_Store", "LICENSE", "notes.txt"):
        (tmp_path / "s" / name).write_bytes(b"x")
    (tmp_path / "s" / "Ground").mkdir()
    structures = slice_data_set(voxels(), oblique(), 0)
    structures.SOPClassUID = RTStructureSetStorage
    structures.SeriesInstanceUID = uid("contours")
    del structures.Rows
    save(structures, tmp_path / "s" / "RS.dcm")
    series = read_series(tmp_path / "s")
    assert series.left_out == ("Ground/", "LICENSE", "notes.txt")
    assert "3 files or folders beside the series are no DICOM" in caplog.text
    assert len(series.files) == 6


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.97])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    paths = write_series(tmp_path / "s", voxels((32, 32, 3)), oblique())
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: int(kept * len(content))])
    assert all("'IM0001.dcm'" in problem.found for problem in refused(tmp_path / "s"))


@pytest.mark.filterwarnings("ignore:Expected implicit VR")
@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_end_in_a_refusal_or_a_volume(tmp_path: Path, seed: int) -> None:
    paths = write_series(tmp_path / "s", voxels((4, 4, 3)), oblique())
    content = bytearray(paths[1].read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(132, len(content), 12):
        content[place] = rng.integers(256)
    paths[1].write_bytes(content)
    try:
        assert read_series(tmp_path / "s").volume.array.shape == (4, 4, 3)
    except DataError as error:
        assert all(problem.where.startswith(str(tmp_path)) for problem in error.problems)


def test_a_deflated_file_is_never_inflated(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    write_series(tmp_path / "s", voxels(), oblique(), edit=edit)
    assert "the data set is deflated" in refusal(tmp_path / "s").found


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, MPEG2MPML])
def test_a_compression_without_a_decoder_is_named(tmp_path: Path, syntax: str) -> None:
    paths = write_series(tmp_path / "s", voxels(), oblique())
    from pydicom import dcmread

    for path in paths:
        data = dcmread(path)
        data.file_meta.TransferSyntaxUID = syntax
        data["PixelData"].is_undefined_length = True
        from pydicom.encaps import encapsulate

        data.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
        save(data, path)
    problem = refusal(tmp_path / "s")
    assert syntax.name in problem.found
    assert "pylibjpeg" in problem.mend


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s", voxels(), oblique())
    paths[2].chmod(0)
    (problem,) = refused(tmp_path / "s")
    assert problem.where == str(paths[2])
    assert problem.rule == "a file must be readable"


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    write_series(tmp_path / "s", voxels(), oblique())
    os.mkfifo(tmp_path / "s" / "IM7777")
    (problem,) = refused(tmp_path / "s")
    assert problem.found == "a pipe"


def test_links_must_stay_within_the_data_root(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "elsewhere", voxels(), oblique())
    (tmp_path / "root" / "s").mkdir(parents=True)
    for path in paths:
        (tmp_path / "root" / "s" / path.name).symlink_to(path)
    assert {problem.found for problem in refused(tmp_path / "root" / "s")} == {
        "a symbolic link that leads out of it"
    }
    shutil.move(tmp_path / "elsewhere", tmp_path / "root" / "blobs")
    for path in paths:
        (tmp_path / "root" / "s" / path.name).unlink()
        (tmp_path / "root" / "s" / path.name).symlink_to(Path("../blobs") / path.name)
    series = read_series(tmp_path / "root" / "s", within=tmp_path / "root")
    np.testing.assert_array_equal(series.volume.array, voxels())
