"""Contours become labels: on the slice that they lie in, with holes, cut off at the edge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from site_files import problems_of

from dicom_trees import (
    block,
    contour_item,
    lps,
    oblique,
    save,
    structure_set,
    uid,
    voxels,
    write_series,
)
from fedgin.data.dicom.naming import Naming
from fedgin.data.dicom.rtstruct import read_rtstruct
from fedgin.data.dicom.series import Series, read_series
from fedgin.errors import DataError, Problem

SHAPE = (20, 16, 6)


def box(low: int, high: int, *places: int) -> np.ndarray:
    """The voxels of such squares on slices."""
    found = np.zeros(SHAPE, bool)
    for place in places:
        found[low:high, low:high, place] = True
    return found


@pytest.fixture
def series(tmp_path: Path) -> Series:
    write_series(tmp_path / "s", voxels(SHAPE), oblique(), name=lambda k: f"IM{9 - k}")
    return read_series(tmp_path / "s")


def read(folder: Path, series: Series, data: Dataset, naming: Naming | None = None) -> Any:
    return read_rtstruct(save(data, folder / "RS.dcm"), series, naming=naming)


def refused(
    folder: Path, series: Series, data: Dataset, naming: Naming | None = None
) -> tuple[Problem, ...]:
    return problems_of(lambda: read(folder, series, data, naming), DataError)


def test_contours_fill_the_voxels_that_they_were_drawn_around(
    tmp_path: Path, series: Series
) -> None:
    data = structure_set(
        {"Liver": [(1, block(2, 9)), (2, block(3, 6))], "Spleen": [(2, block(10, 14))]}
    )
    found = read(tmp_path, series, data)
    expected = box(2, 9, 1) | box(3, 6, 2) | 2 * box(10, 14, 2)
    np.testing.assert_array_equal(found.volume.array, expected)
    np.testing.assert_array_equal(found.volume.affine, series.volume.affine)
    assert (found.names, found.notes) == ({1: "Liver", 2: "Spleen"}, ())


def test_a_contour_within_another_is_a_hole_and_one_in_that_an_island(
    tmp_path: Path, series: Series
) -> None:
    data = structure_set({"Liver": [(3, block(2, 14)), (3, block(4, 12)), (3, block(7, 9))]})
    expected = box(2, 14, 3) & ~box(4, 12, 3) | box(7, 9, 3)
    np.testing.assert_array_equal(read(tmp_path, series, data).volume.array, expected)


def test_a_sphere_has_the_volume_of_a_sphere(tmp_path: Path) -> None:
    affine = oblique(spacing=(1.0, 1.0, 1.0))
    write_series(tmp_path / "s", voxels((48, 48, 44)), affine)
    series = read_series(tmp_path / "s")
    centre, radius = np.array([23.4, 22.7, 21.3]), 18.5
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    contours = []
    for place in range(44):
        ring = radius**2 - (place - centre[2]) ** 2
        if ring > 0:
            x, y = centre[0] + ring**0.5 * np.cos(angle), centre[1] + ring**0.5 * np.sin(angle)
            points = np.column_stack([x, y, np.full(120, place), np.ones(120)]) @ affine.T
            contours.append(contour_item(points[:, :3] * (-1, -1, 1)))
    data = structure_set({"Ball": []})
    data.ROIContourSequence[0].ContourSequence = Sequence(contours)
    found = read(tmp_path, series, data).volume
    assert found.array.sum() == pytest.approx(4 / 3 * np.pi * radius**3, rel=5e-3)
    index = np.argwhere(found.array).mean(axis=0)
    np.testing.assert_allclose(index, centre, atol=0.05)


def test_what_lies_beyond_the_images_is_cut_off_and_counted(
    tmp_path: Path, series: Series, caplog: pytest.LogCaptureFixture
) -> None:
    data = structure_set(
        {"Body": [(0, block(-4, 5)), (1, block(2, 30)), (2, block(3, 6)), (8, block(3, 6))]}
    )
    found = read(tmp_path, series, data)
    expected = box(0, 5, 0) | box(2, 30, 1) | box(3, 6, 2)
    np.testing.assert_array_equal(found.volume.array, expected)
    note = "3 of 4 contours of 'Body' reach beyond the images and were cut off"
    assert found.notes == (note,)
    assert note in caplog.text


def test_names_choose_the_rois_and_unite_them(tmp_path: Path, series: Series) -> None:
    data = structure_set(
        {
            "External": [(1, block(0, 16))],
            "Kidney_L": [(1, block(2, 5))],
            "Kidney_R": [(1, block(8, 12))],
        }
    )
    assert "'External' and 'Kidney_L' share 9 voxels" in refused(tmp_path, series, data)[0].found
    naming = Naming(segments={"kidneys": ("Kidney_L", "Kidney_R")}, others=frozenset({"External"}))
    found = read(tmp_path, series, data, naming)
    np.testing.assert_array_equal(found.volume.array, box(2, 5, 1) | box(8, 12, 1))
    assert found.names == {1: "kidneys"}
    unknown, lacking = refused(tmp_path, series, data, Naming(segments={"liver": ("Liver",)}))
    assert "'External', 'Kidney_L', 'Kidney_R'" in unknown.found
    assert "structure 'liver'" in lacking.rule


def test_an_roi_that_is_listed_without_a_contour_counts_as_absent(
    tmp_path: Path, series: Series
) -> None:
    data = structure_set({"Liver": [], "Spleen": [(2, block(10, 14))], "Template": []})
    both = {"liver": ("Liver",), "spleen": ("Spleen",)}
    (problem,) = refused(tmp_path, series, data, Naming(segments=both))
    assert "structure 'liver'" in problem.rule
    assert problem.found == "segments 'Spleen'; 'Liver', 'Template' without a contour"
    del data.ROIContourSequence[0].ContourSequence
    lacking = Naming(segments=both, may_lack=frozenset({"liver"}))
    found = read(tmp_path, series, data, lacking)
    np.testing.assert_array_equal(found.volume.array, 2 * box(10, 14, 2))


def test_contours_on_every_second_slice_are_refused_and_one_gap_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_series(tmp_path / "s", voxels((20, 16, 8)), oblique())
    series = read_series(tmp_path / "s")
    square = block(2, 9)
    skipped = structure_set({"Liver": [(k, square) for k in (0, 2, 4, 6)]})
    (problem,) = refused(tmp_path, series, skipped)
    assert problem.found == "'Liver' has none on 3 slices, in 3 places between others"
    assert "interpolate" in problem.mend
    parts = structure_set({"Liver": [(k, square) for k in (0, 1, 4, 5, 7)]})
    found = read(tmp_path, series, parts)
    note = "'Liver' has none on 3 slices, in 2 places between others"
    assert found.notes == (note,)
    assert note in caplog.text


def test_all_wrong_contours_are_named(tmp_path: Path, series: Series) -> None:
    good = (1, block(2, 5))
    data = structure_set({"Liver": [good, (1.4, block(2, 5)), good, good]})
    items = data.ROIContourSequence[0].ContourSequence
    slanted = lps((1, block(2, 5)))
    slanted[2:] = lps((3, block(2, 5)))[2:]
    items[0] = contour_item(slanted)
    items[2].ContourGeometricType = "POINT"
    items[3] = contour_item(slanted[:2])
    (problem,) = refused(tmp_path, series, data)
    assert problem.found == (
        "contour 1 of 'Liver' runs from slice 2.00 to 4.00; "
        "contour 2 of 'Liver' lies between slices, at 2.40; "
        "contour 3 of 'Liver' is of type POINT; contour 4 of 'Liver' has 2 points"
    )


def other_series(data: Dataset) -> None:
    frame = data.ReferencedFrameOfReferenceSequence[0]
    frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID = uid("x")


def other_frame(data: Dataset) -> None:
    data.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = uid("x")


def no_reference(data: Dataset) -> None:
    del data.ReferencedFrameOfReferenceSequence


def four_numbers(data: Dataset) -> None:
    data.ROIContourSequence[0].ContourSequence[0].ContourData = ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (other_series, f"series '{uid('x')}', not '{uid('one')}'"),
        (other_frame, f"frame of reference '{uid('x')}'"),
        (no_reference, "neither a series nor a frame of reference"),
        (four_numbers, "ContourData of 4 numbers"),
    ],
)
def test_contours_of_another_series_are_refused(
    tmp_path: Path, series: Series, edit: Callable[[Dataset], None], found: str
) -> None:
    data = structure_set({"Liver": [(1, block(2, 5))]})
    edit(data)
    (problem,) = refused(tmp_path, series, data)
    assert found in problem.found


def test_an_image_is_no_structure_set(series: Series) -> None:
    (problem,) = problems_of(lambda: read_rtstruct(series.files[0], series), DataError)
    assert "must be a radiotherapy structure set" in problem.rule
    assert "'labels_as'" in problem.mend


@pytest.mark.parametrize("seed", range(10))
def test_damaged_bytes_end_in_a_refusal_or_labels(
    tmp_path: Path, series: Series, seed: int
) -> None:
    path = save(structure_set({"Liver": [(1, block(2, 5))]}), tmp_path / "RS.dcm")
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in rng.integers(132, len(content), 1 + seed % 6):
        content[place] = rng.integers(256)
    path.write_bytes(content[: -seed * 20 or None])
    try:
        assert read_rtstruct(path, series).volume.array.shape == SHAPE
    except DataError as error:
        assert {problem.where for problem in error.problems} == {str(path)}
