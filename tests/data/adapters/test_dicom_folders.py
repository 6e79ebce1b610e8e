"""A hospital's export: label files find their series wherever they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import KeyObjectSelectionDocumentStorage
from site_files import problems_of

from dicom_trees import (
    block,
    oblique,
    save,
    slice_data_set,
    structure_set,
    voxels,
    write_series,
)
from fedgin.data.adapters.base import LeftOut
from fedgin.data.adapters.dicom_folders import DicomFolders
from fedgin.data.adapters.structure_names import structure_of
from fedgin.data.dicom.found_cases import found_dicom_cases
from fedgin.data.dicom.seg import write_seg
from fedgin.data.dicom.series import read_series
from fedgin.errors import DataError

SHAPE = (12, 10, 5)
LABELS = np.random.default_rng(4).choice([0, 1, 2], SHAPE).astype(np.uint8)


def add_series(folder: Path, series: str, *, patient: str = "", modality: str = "CT") -> None:
    write_series(
        folder, voxels(SHAPE), oblique(), series=series, patient=patient, modality=modality
    )


def add_seg(path: Path, folder: Path, *names: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_seg(
        path,
        series=read_series(folder),
        labels=np.minimum(LABELS, len(names)),
        names=dict(enumerate(names, start=1)),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Anna's CT with a SEG inside, Bert's MR with contours elsewhere."""
    folder = tmp_path / "export"
    add_series(folder / "A" / "ct", "one", patient="anna")
    add_seg(folder / "A" / "ct" / "seg.dcm", folder / "A" / "ct", "Right Kidney", "LIVER")
    add_series(folder / "B" / "mr", "two", patient="bert", modality="MR")
    contours = structure_set(
        {"liver": [(1, block(2, 6))], "Kidney_R": [(2, block(3, 8))]}, series="two"
    )
    del contours.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID
    (folder / "contours").mkdir()
    save(contours, folder / "contours" / "RS")
    return folder


def test_labels_find_their_series_inside_and_elsewhere(root: Path) -> None:
    found = DicomFolders().find(root)
    assert [(c.name, c.patient, c.modality, c.image, c.label) for c in found.cases] == [
        ("ct", "anna", "CT", "A/ct", "A/ct/seg.dcm"),
        ("mr", "bert", "MR", "B/mr", "contours/RS"),
    ]
    assert found.labels == {"kidney_right": 1, "liver": 2}
    assert found.naming is not None
    assert found.naming.segments == {
        "kidney_right": ("Kidney_R", "Right Kidney"),
        "liver": ("LIVER", "liver"),
    }
    assert (found.left_out, found.notes) == ((), ())
    ct, mr = found_dicom_cases(found, found.cases, root=root, own_split=True)
    assert (ct.kind, mr.kind) == ("seg", "rtstruct")
    np.testing.assert_array_equal(ct.load().label.array, LABELS)
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:6, 2:6, 1], expected[3:8, 3:8, 2] = 2, 1
    np.testing.assert_array_equal(mr.load().label.array, expected)


def test_what_not_all_files_have_is_no_structure(root: Path) -> None:
    folder = root / "C" / "ct"
    add_series(folder, "three", patient="carl")
    add_seg(root / "C" / "seg", folder, "Liver", "Spleen")
    found = DicomFolders().find(root)
    assert found.labels == {"liver": 1}
    assert found.notes == (
        "No structures, because not every label file has them: kidney_right (2 of 3), "
        "spleen (1 of 3). Where patients lack one, `--may-lack STRUCTURE` (may_lack in the site's "
        "file) makes it a structure; where its name differs, `--label STRUCTURE=NAME` (segments) "
        "unites names.",
    )
    carl = next(case for case in found.cases if case.patient == "carl")
    (case,) = found_dicom_cases(found, [carl], root=root, own_split=True)
    np.testing.assert_array_equal(case.load().label.array, LABELS == 1)


def test_everything_without_a_partner_is_told(root: Path) -> None:
    add_series(root / "D" / "ct", "four", patient="dora")
    add_series(root / "E" / "pet", "five", patient="emil", modality="PT")
    save(structure_set({"liver": []}, series="nowhere"), root / "D" / "RS")
    add_series(root / "F" / "ct", "six", patient="fritz")
    for name in ("a", "b"):
        add_seg(root / "F" / f"{name}.dcm", root / "F" / "ct", "liver", name)
    (root / "notes.txt").touch()
    (root / ".hidden").touch()
    (root / "DICOMDIR").touch()
    note = slice_data_set(voxels(SHAPE), oblique(), 0)
    note.SOPClassUID = KeyObjectSelectionDocumentStorage
    save(note, root / "KO")
    (root / "cut").write_bytes((root / "A" / "ct" / "seg.dcm").read_bytes()[:700])
    found = DicomFolders().find(root)
    assert len(found.cases) == 2
    reasons = {left.path: left.reason for left in found.left_out}
    assert reasons.pop("cut")
    assert {LeftOut(*item) for item in reasons.items()} == {
        LeftOut("D/ct", "a series without SEG or RTSTRUCT"),
        LeftOut("D/RS", "a label file without its series"),
        LeftOut("E/pet", "a series of modality PT"),
        LeftOut("F/ct", "a series with several label files: 'a.dcm', 'b.dcm'"),
        LeftOut("notes.txt", "no DICOM file"),
        LeftOut("KO", "DICOM that is neither an image nor a label file"),
    }


def test_patients_without_identifiers_go_by_their_folders(tmp_path: Path) -> None:
    for name in ("A", "B"):
        add_series(tmp_path / name / "ct", name, patient="ANON")
        add_seg(tmp_path / name / "seg.dcm", tmp_path / name / "ct", "liver", "spleen")
    found = DicomFolders().find(tmp_path)
    assert [(case.name, case.patient) for case in found.cases] == [("A/ct", "A"), ("B/ct", "B")]
    assert "do not tell patients apart" in found.notes[0]


def test_a_root_that_is_a_series_itself(tmp_path: Path) -> None:
    add_series(tmp_path / "ct", "one", patient="anna")
    add_seg(tmp_path / "ct" / "seg.dcm", tmp_path / "ct", "liver", "spleen")
    found = DicomFolders().find(tmp_path / "ct")
    (case,) = found_dicom_cases(found, found.cases, root=tmp_path / "ct", own_split=True)
    assert (case.name, case.patient) == ("ct", "anna")
    np.testing.assert_array_equal(case.load().label.array, LABELS)


def test_a_root_without_pairs_is_refused(tmp_path: Path) -> None:
    add_series(tmp_path / "ct", "one", patient="anna")
    (problem,) = problems_of(lambda: DicomFolders().find(tmp_path), DataError)
    assert "must hold <any folders>/<series>/*.dcm" in problem.rule
    assert problem.found == (
        "1 series and 0 label files, no pair of them; 1 x a series without SEG or RTSTRUCT"
    )
    (problem,) = problems_of(lambda: DicomFolders().find(tmp_path / "none"), DataError)
    assert problem.found == "no such folder"


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("Kidney_R", "kidney_right"),
        ("left kidney", "kidney_left"),
        ("KIDNEY-LT", "kidney_left"),
        ("Gall Bladder", "gallbladder"),
        ("Right_Ventricle", "right_ventricle"),
        ("Liver", "liver"),
        ("Liver tumour", "Liver tumour"),
        ("kidney", "kidney"),
        ("Kidney L+R", "Kidney L+R"),
        ("", ""),
    ],
)
def test_names_of_segments_mean_structures(name: str, structure: str) -> None:
    assert structure_of(name) == structure
