"""CHAOS as it unzips: names, phases and grey values of both modalities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from chaos_tree import CT, MR, SHAPE, write_patients
from site_files import problems_of

from dicom_trees import voxels
from fedgin.data.adapters.base import LeftOut
from fedgin.data.adapters.chaos import ChaosCt, ChaosMr
from fedgin.data.dicom.found_cases import found_dicom_cases
from fedgin.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_patients(tmp_path / "chaos")


def test_mr_has_three_scans_of_a_patient(root: Path) -> None:
    found = ChaosMr().find(root)
    assert [(case.name, case.patient, case.modality) for case in found.cases] == [
        (f"MR-1-{scan}", "MR-1", "MR") for scan in ("T1-in", "T1-out", "T2")
    ]
    assert (found.form, found.left_out) == ("dicom", ())
    cases = found_dicom_cases(found, found.cases, root=root, own_split=True)
    pairs = [case.load() for case in cases]
    for pair, seed, labels in zip(pairs, (1, 0, 7), (MR, MR, MR[::-1]), strict=True):
        np.testing.assert_array_equal(pair.image.array, voxels(SHAPE, seed=seed) + 1000)
        np.testing.assert_array_equal(pair.label.array, labels)


def test_ct_slices_and_labels_pair_by_their_names(root: Path) -> None:
    found = ChaosCt().find(root)
    (case,) = found_dicom_cases(found, found.cases, root=root, own_split=True)
    assert (case.name, case.patient) == ("CT-1", "CT-1")
    pair = case.load()
    np.testing.assert_array_equal(pair.image.array, voxels(SHAPE))
    np.testing.assert_array_equal(pair.label.array, CT)


@pytest.mark.parametrize(
    ("grey", "structure"),
    [(55, "liver"), (63, "liver"), (70, "liver"), (110, "kidney_right"), (135, "kidney_right"),
     (175, "kidney_left"), (200, "kidney_left"), (240, "spleen"), (255, "spleen"), (54, None),
     (71, None), (109, None), (136, None), (201, None), (239, None)],
)  # fmt: skip
def test_grey_values_of_mr_are_the_documented_ranges(grey: int, structure: str | None) -> None:
    labels = ChaosMr().labels
    assert [name for name, values in labels.items() if grey in values] == (
        [structure] if structure else []
    )


def test_ct_labels_the_liver_only(root: Path) -> None:
    assert ChaosCt().find(root).labels == {"liver": (1, 255)}


def test_what_is_no_case_is_told(root: Path) -> None:
    patients = root / "Train_Sets" / "MR"
    (patients / ".DS_Store").touch()
    (patients / "notes.txt").touch()
    (patients / "1" / "T2SPIR" / "Ground").rename(patients / "1" / "T2SPIR" / "ground truth")
    (root / "Test_Sets" / "MR").mkdir(parents=True)
    found = ChaosMr().find(root)
    assert [case.name for case in found.cases] == ["MR-1-T1-in", "MR-1-T1-out"]
    assert set(found.left_out) == {
        LeftOut("Train_Sets/MR/.DS_Store", "a hidden file or folder"),
        LeftOut("Train_Sets/MR/notes.txt", "no folder of a patient"),
        LeftOut("Train_Sets/MR/1/T2SPIR/Ground", "a scan without a folder of labels"),
        LeftOut("Test_Sets/MR", "test scans, whose labels are not public"),
    }


def test_a_folder_that_leaves_the_root_is_no_case(root: Path, tmp_path: Path) -> None:
    folder = root / "Train_Sets" / "CT" / "1" / "Ground"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    found = ChaosCt().find(root)
    assert found.cases == ()
    assert "symbolic link" in found.left_out[0].reason


def test_a_wrong_root_says_what_it_expected_and_where_it_is(root: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path, root / "Train_Sets", root / "Train_Sets" / "CT"):
        (problem,) = problems_of(lambda wrong=wrong: ChaosCt().find(wrong), DataError)
        assert problem.where == str(wrong)
        assert "Train_Sets/CT/1/DICOM_anon/i0000,0000b.dcm" in problem.rule
        assert problem.mend == f"name {root} instead"
    (problem,) = problems_of(lambda: ChaosCt().find(tmp_path / "none"), DataError)
    assert problem.found == "no such folder"


def test_patients_are_in_the_order_of_their_numbers_and_names_unique(root: Path) -> None:
    one = root / "Train_Sets" / "CT" / "1"
    for name in ("10", "2"):
        for part in ("DICOM_anon", "Ground"):
            (one.parent / name / part).mkdir(parents=True)
    names = [case.name for case in ChaosCt().find(root).cases]
    assert names == ["CT-1", "CT-10", "CT-2"]
