"""Segmentations: written and read back, matched to slices by place, refused where they differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless
from site_files import problems_of

from dicom_trees import SHAPE, enhanced, oblique, save, uid, voxels, write_series
from fedgin.data.dicom.naming import Naming
from fedgin.data.dicom.seg import read_named_seg, read_seg, write_seg
from fedgin.data.dicom.series import Series, read_series
from fedgin.data.dicom.write_seg import structure_codes
from fedgin.errors import DataError, Problem
from fedgin.tasks import TASKS

NAMES = {1: "liver", 2: "spleen", 5: "a shunt"}


def labels() -> np.ndarray:
    found = np.random.default_rng(3).choice([0, 0, 1, 2, 5], SHAPE).astype(np.uint8)
    found[..., 2] = 0  # a slice without a structure, which writers leave out
    return found


@pytest.fixture
def series(tmp_path: Path) -> Series:
    write_series(tmp_path / "s", voxels(), oblique(), name=lambda k: f"IM{9 - k}")
    return read_series(tmp_path / "s")


@pytest.fixture
def seg(tmp_path: Path, series: Series) -> Path:
    path = tmp_path / "seg.dcm"
    write_seg(path, series=series, labels=labels(), names=NAMES)
    return path


def changed(path: Path, edit: Callable[[Dataset], None]) -> Path:
    data = pydicom.dcmread(path)
    edit(data)
    return save(data, path)


def refused(path: Path, series: Series, naming: Naming | None = None) -> tuple[Problem, ...]:
    return problems_of(lambda: read_named_seg(path, series, naming=naming), DataError)


def test_what_is_written_is_read_back(seg: Path, series: Series) -> None:
    found = read_named_seg(seg, series)
    np.testing.assert_array_equal(found.volume.array, np.array([0, 1, 2, 0, 0, 3])[labels()])
    np.testing.assert_array_equal(found.volume.affine, series.volume.affine)
    assert found.names == {1: "liver", 2: "spleen", 3: "a shunt"}
    np.testing.assert_array_equal(read_seg(seg, series).array, found.volume.array)


def test_implicit_little_endian_is_read(seg: Path, series: Series) -> None:
    expected = read_seg(seg, series).array

    def edit(data: Dataset) -> None:
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    np.testing.assert_array_equal(read_seg(changed(seg, edit), series).array, expected)


def test_another_reader_sees_each_segment_where_it_was_written(seg: Path, series: Series) -> None:
    other = highdicom.seg.segread(seg)
    assert (other.PatientID, other.StudyInstanceUID) == ("anna", uid("anna", "study"))
    by_slice = other.get_pixels_by_source_instance(
        [frame.sop_uid for frame in series.frames],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    expected = np.array([0, 1, 2, 0, 0, 3])[labels()]
    np.testing.assert_array_equal(by_slice.transpose(2, 1, 0), expected)
    liver = other.get_segment_description(1)
    assert liver.segmented_property_type == codes.SCT.Liver
    assert liver.segment_label == "liver"


def test_every_structure_of_the_tasks_has_the_standards_codes() -> None:
    known = {
        "liver": [codes.SCT.Liver],
        "spleen": [codes.SCT.Spleen],
        "kidney_right": [codes.SCT.Kidney, codes.SCT.Right],
        "kidney_left": [codes.SCT.Kidney, codes.SCT.Left],
        "pancreas": [codes.SCT.Pancreas],
        "gallbladder": [codes.SCT.Gallbladder],
        "heart": [codes.SCT.Heart],
        "a shunt": [codes.SCT.AnatomicalStructure],
    }
    assert set(known) >= {name for task in TASKS.values() for name in task.class_names}
    for name, expected in known.items():
        assert structure_codes(name) == [(code.value, code.meaning) for code in expected]


def test_a_side_modifies_the_type_of_the_segment(tmp_path: Path, series: Series) -> None:
    names = {1: "kidney_left", 2: "kidney_right", 5: "liver"}
    write_seg(tmp_path / "x.dcm", series=series, labels=labels(), names=names)
    sides = []
    for number in (1, 2, 3):
        description = highdicom.seg.segread(tmp_path / "x.dcm").get_segment_description(number)
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        modifiers = kind.get("SegmentedPropertyTypeModifierCodeSequence", [])
        sides.append([modifier.CodeMeaning for modifier in modifiers])
    assert sides == [["Left"], ["Right"], []]


def test_the_same_result_is_the_same_object(tmp_path: Path, seg: Path, series: Series) -> None:
    again, other = tmp_path / "again.dcm", tmp_path / "other.dcm"
    write_seg(again, series=series, labels=labels(), names=NAMES)
    write_seg(other, series=series, labels=labels()[::-1], names=NAMES)
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in (seg, again, other)]
    assert uids[0] == uids[1] != uids[2]


def test_a_prediction_of_nothing_is_written_too(tmp_path: Path, series: Series) -> None:
    nothing = np.zeros(SHAPE, np.uint8)
    write_seg(tmp_path / "none.dcm", series=series, labels=nothing, names={1: "liver"})
    assert not read_seg(tmp_path / "none.dcm", series).array.any()


def test_labels_that_do_not_fit_are_refused(tmp_path: Path, series: Series) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_seg(tmp_path / "x", series=series, labels=labels()[1:], names=NAMES)
    with pytest.raises(ValueError, match=r"without: \[5\]"):
        write_seg(tmp_path / "x", series=series, labels=labels(), names={1: "liver", 2: "spleen"})


def test_a_result_on_an_enhanced_image_lies_on_its_frames(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    save(enhanced(voxels(), oblique(), [4, 0, 2, 5, 1, 3]), tmp_path / "e" / "enhanced.dcm")
    series = read_series(tmp_path / "e")
    write_seg(tmp_path / "x.dcm", series=series, labels=labels(), names=NAMES)
    expected = np.array([0, 1, 2, 0, 0, 3])[labels()]
    np.testing.assert_array_equal(read_seg(tmp_path / "x.dcm", series).array, expected)
    other = highdicom.seg.segread(tmp_path / "x.dcm")
    by_frame = other.get_pixels_by_source_frame(
        series.frames[0].sop_uid,
        [frame.index + 1 for frame in series.frames],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    np.testing.assert_array_equal(by_frame.transpose(2, 1, 0), expected)


def test_images_whose_patient_was_removed_are_segmented_too(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        for keyword in ("PatientName", "PatientID", "PatientSex", "StudyDate", "AccessionNumber"):
            delattr(data, keyword)

    write_series(tmp_path / "t", voxels(), oblique(), edit=edit)
    anonymous = read_series(tmp_path / "t")
    write_seg(tmp_path / "x.dcm", series=anonymous, labels=labels(), names=NAMES)
    assert read_seg(tmp_path / "x.dcm", anonymous).array.any()


def test_no_warning_names_the_patient(
    tmp_path: Path, series: Series, recwarn: pytest.WarningsRecorder
) -> None:
    write_seg(tmp_path / "x.dcm", series=series, labels=labels(), names=NAMES)
    read_seg(tmp_path / "x.dcm", series)
    assert not [warning for warning in recwarn if "anna" in str(warning.message)]


def test_images_without_a_study_are_refused(tmp_path: Path) -> None:
    def edit(data: Dataset, place: int) -> None:
        del data.StudyInstanceUID

    write_series(tmp_path / "t", voxels(), oblique(), edit=edit)
    (problem,) = problems_of(
        lambda: write_seg(
            tmp_path / "x", series=read_series(tmp_path / "t"), labels=labels(), names=NAMES
        ),
        DataError,
    )
    assert "StudyInstanceUID" in problem.found


# ---------------------------------------------------------------- names


def test_names_become_the_values_of_structures(seg: Path, series: Series) -> None:
    naming = Naming(
        segments={"spleen": ("Spleen", "spleen"), "liver": ("liver", "a shunt")},
    )
    found = read_named_seg(seg, series, naming=naming)
    np.testing.assert_array_equal(found.volume.array, np.array([0, 2, 1, 0, 0, 2])[labels()])
    assert found.names == {1: "spleen", 2: "liver"}


def test_unknown_names_and_lacking_structures_are_refused_together(
    seg: Path, series: Series
) -> None:
    naming = Naming(segments={"liver": ("livers",), "pancreas": ("Pancreas",)})
    unknown, liver, pancreas = refused(seg, series, naming)
    assert unknown.found == "'a shunt', 'liver', 'spleen' (allowed: Pancreas, livers)"
    assert "'other_segments'" in unknown.mend
    assert liver.rule == "a file must have a segment of the structure 'liver'"
    assert pancreas.found == "segments 'a shunt', 'liver', 'spleen'"
    assert "'may_lack'" in pancreas.mend


def test_other_segments_are_background_and_structures_may_be_lacking(
    seg: Path, series: Series
) -> None:
    naming = Naming(
        segments={"pancreas": ("Pancreas",), "liver": ("liver",)},
        others=frozenset({"spleen", "a shunt"}),
        may_lack=frozenset({"pancreas"}),
    )
    found = read_named_seg(seg, series, naming=naming)
    np.testing.assert_array_equal(found.volume.array, 2 * (labels() == 1))


# ---------------------------------------------------------------- refusals


def sources_of(series: Series) -> list[Dataset]:
    sources = [pydicom.dcmread(file) for file in series.files]
    for source in sources:
        source.SliceThickness, source.PatientName = "4", "Doe^Anna"
    return sources


def overlapping(series: Series, path: Path, kind: str = "BINARY") -> Path:
    """A segmentation of three segments, of which the last two share a block."""
    sources = sources_of(series)
    stacked = np.zeros((SHAPE[2], SHAPE[1], SHAPE[0], 3), np.uint8)
    stacked[1, :3, :3, 0] = stacked[3, :3, :4, 1] = stacked[3, 2:5, 1:4, 2] = 1
    pixels = stacked.astype(float) * 0.5 if kind == "FRACTIONAL" else stacked
    written = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            highdicom.seg.SegmentDescription(
                number, name, codes.SCT.Organ, codes.SCT.Liver, "MANUAL"
            )
            for number, name in enumerate(("liver", "cyst", "vein"), start=1)
        ],
        series_instance_uid=uid("seg"),
        series_number=4,
        sop_instance_uid=uid("seg", 1),
        instance_number=1,
        manufacturer="made up",
        manufacturer_model_name="made up",
        software_versions="1",
        device_serial_number="1",
    )
    written.save_as(path)
    return path


def test_overlapping_segments_are_refused_unless_one_is_not_used(
    tmp_path: Path, series: Series
) -> None:
    path = overlapping(series, tmp_path / "overlap.dcm")
    (problem,) = refused(path, series)
    assert problem.rule == "a voxel must belong to one structure only"
    assert problem.found == "'cyst' and 'vein' share 3 voxels"
    naming = Naming(segments={"liver": ("liver", "cyst")}, others=frozenset({"vein"}))
    found = read_named_seg(path, series, naming=naming).volume.array
    assert np.count_nonzero(found) == 9 + 12


def test_graded_segmentations_are_refused(tmp_path: Path, series: Series) -> None:
    path = overlapping(series, tmp_path / "graded.dcm", kind="FRACTIONAL")
    (problem,) = refused(path, series)
    assert "fractional segmentation" in problem.found


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_label_map_segmentations_are_read(tmp_path: Path, series: Series, syntax: str) -> None:
    sources = sources_of(series)
    expected = np.array([0, 1, 2, 0, 0, 3], np.uint8)[labels()]
    highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=np.ascontiguousarray(expected.T),
        segmentation_type="LABELMAP",
        transfer_syntax_uid=syntax,
        segment_descriptions=[
            highdicom.seg.SegmentDescription(
                number, name, codes.SCT.Organ, codes.SCT.Liver, "MANUAL"
            )
            for number, name in enumerate(("liver", "spleen", "cyst"), start=1)
        ],
        series_instance_uid=uid("seg"),
        series_number=4,
        sop_instance_uid=uid("seg", 1),
        instance_number=1,
        manufacturer="made up",
        manufacturer_model_name="made up",
        software_versions="1",
        device_serial_number="1",
    ).save_as(tmp_path / "map.dcm")
    found = read_named_seg(tmp_path / "map.dcm", series)
    np.testing.assert_array_equal(found.volume.array, expected)
    naming = Naming(segments={"spleen": ("spleen",)}, others=frozenset({"liver", "cyst"}))
    found = read_named_seg(tmp_path / "map.dcm", series, naming=naming)
    np.testing.assert_array_equal(found.volume.array, expected == 2)


def test_a_segmentation_of_another_series_is_refused(
    tmp_path: Path, seg: Path, series: Series
) -> None:
    write_series(tmp_path / "t", voxels(seed=1), oblique(), series="two")
    (problem,) = refused(seg, read_series(tmp_path / "t"))
    assert problem.rule == "the label file must belong to the image series"
    assert problem.found == f"series '{uid('one')}', not '{uid('two')}'"

    def edit(data: Dataset) -> None:
        data.FrameOfReferenceUID = uid("elsewhere")

    (problem,) = refused(changed(seg, edit), series)
    assert "frame of reference" in problem.found


def position(data: Dataset, frame: int) -> Dataset:
    return data.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]


def shift(steps: tuple[float, float, float]) -> Callable[[Dataset], None]:
    def edit(data: Dataset) -> None:
        moved = position(data, 1)
        step = oblique()[:3, :3] @ np.array(steps) * (-1, -1, 1)
        moved.ImagePositionPatient = list(np.array(moved.ImagePositionPatient, float) + step)

    return edit


def flip(data: Dataset) -> None:
    shared = data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    shared.ImageOrientationPatient = [-float(v) for v in shared.ImageOrientationPatient]


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (shift((0, 0, 0.5)), "frame 2 begins at column 0.00, row 0.00 of slice 5.50"),
        (shift((1, 0, 0)), "frame 2 begins at column 1.00, row 0.00 of slice 5.00"),
        (shift((0, 0, 7)), "frame 2 lies beyond the 6 slices, at 12"),
        (shift((0, 0, -2)), "frame 2 lies on slice 3 and was drawn on another image"),
        (flip, "frame 1 is turned or flipped against the images; frame 2"),
    ],
    ids=["between", "aside", "beyond", "elsewhere", "flipped"],
)
def test_a_frame_off_the_grid_is_named(
    seg: Path, series: Series, edit: Callable[[Dataset], None], found: str
) -> None:
    (problem,) = refused(changed(seg, edit), series)
    assert "lie on a slice" in problem.rule
    assert found in problem.found


@pytest.mark.parametrize("bits", [None, 32])
def test_bits_that_no_segmentation_has_are_refused(seg: Path, series: Series, bits: object) -> None:
    def edit(data: Dataset) -> None:
        data.BitsAllocated = bits

    (problem,) = refused(changed(seg, edit), series)
    assert "BitsAllocated" in problem.found or "32 bits" in problem.found


def test_a_frame_of_no_described_segment_is_refused(seg: Path, series: Series) -> None:
    def edit(data: Dataset) -> None:
        group = data.PerFrameFunctionalGroupsSequence[2]
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9

    for naming in (None, Naming({"liver": ("liver",)}, others=frozenset({"spleen", "a shunt"}))):
        (problem,) = refused(changed(seg, edit), series, naming)
        assert (problem.found, "described" in problem.rule) == ("[9]", True)


def test_a_larger_matrix_is_refused(tmp_path: Path, seg: Path, series: Series) -> None:
    write_series(tmp_path / "wide", voxels((12, 7, 6)), oblique())
    (problem,) = refused(seg, read_series(tmp_path / "wide"))
    assert problem.found == "frames of 7 x 9 pixels on slices of 7 x 12"


def test_an_image_a_text_and_half_a_file_are_no_segmentation(
    tmp_path: Path, seg: Path, series: Series
) -> None:
    assert "must be a DICOM segmentation" in refused(series.files[0], series)[0].rule
    (tmp_path / "text.dcm").write_text("liver")
    refused(tmp_path / "text.dcm", series)
    assert refused(tmp_path / "none.dcm", series)[0].found == "no such file"
    seg.write_bytes(seg.read_bytes()[:-40])
    assert refused(seg, series)[0].where == str(seg)


def damaged(content: bytes, seed: int) -> bytes:
    """The same bytes, a few of them changed after the preamble."""
    rng, changed_bytes = np.random.default_rng(seed), bytearray(content)
    for place in rng.integers(132, len(content), 1 + seed % 6):
        changed_bytes[place] = rng.integers(256)
    return bytes(changed_bytes[: -seed * 20 or None])


@pytest.mark.parametrize("seed", range(10))
def test_damaged_bytes_end_in_a_refusal_or_labels(seg: Path, series: Series, seed: int) -> None:
    seg.write_bytes(damaged(seg.read_bytes(), seed))
    try:
        assert read_named_seg(seg, series).volume.array.shape == SHAPE
    except DataError as error:
        assert {problem.where for problem in error.problems} == {str(seg)}
