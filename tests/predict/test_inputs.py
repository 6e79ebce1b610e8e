"""What a path holds, and what is left out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedgin.errors import DataError
from fedgin.predict.dicom_inputs import dicom_kind
from fedgin.predict.inputs import find_inputs

DICOM = bytes(128) + b"DICM" + bytes(16)


def make(folder: Path, *names: str, content: bytes = b"x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def listed(path: Path) -> list[tuple[str, str]]:
    return [(item.name, item.kind) for item in find_inputs(path).inputs]


def left_out(path: Path) -> dict[str, str]:
    return {left.path: left.reason for left in find_inputs(path).left_out}


def dicom(kind: str) -> bytes:
    """The first bytes of a DICOM file with the class of an object."""
    value = ("1.2.840.10008.5.1.4.1.1." + kind).encode()
    value += b"\0" * (len(value) % 2)
    head = b"\x02\0\x02\0UI" + len(value).to_bytes(2, "little")
    return bytes(128) + b"DICM" + head + value


def test_a_study_is_its_image_series_and_what_goes_with_them_is_left_out(tmp_path: Path) -> None:
    """Segmentations, reports, presentation states and plans are in any archive's study."""
    study = make(tmp_path / "study", "CT/1", "CT/2", content=dicom("2"))
    for kind, name in (("66.4", "SEG/1"), ("88.33", "SR/1"), ("11.1", "PR/1"), ("88.67", "SR/2")):
        make(study, name, content=dicom(kind))
    make(study, "RT/1", content=dicom("481.3"))
    make(study, "CT/seg", "beside", content=dicom("66.4"))
    make(study, "DICOMDIR", "CT/DICOMDIR", content=DICOM)
    assert listed(study) == [("CT", "dicom")]
    assert left_out(study) == {
        "CT/seg": "DICOM that is no CT or MR image (SEG)",
        "PR/": "DICOM without a CT or MR image (1 PR)",
        "RT/": "DICOM without a CT or MR image (1 RTSTRUCT)",
        "SEG/": "DICOM without a CT or MR image (1 SEG)",
        "SR/": "DICOM without a CT or MR image (2 SR)",
        "beside": "DICOM that is no CT or MR image (SEG)",
    }
    with pytest.raises(
        DataError, match=r"a folder with 1 \(DICOM that is no CT or MR image \(SEG\)\)"
    ):
        find_inputs(study / "SEG")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("128", "PET"),
        ("130", "PET"),
        ("20", "nuclear medicine"),
        ("6.1", "ultrasound"),
        ("1.1", "radiograph"),
        ("12.1", "angiography or fluoroscopy"),
    ],
)
def test_images_that_are_never_ct_or_mr_are_named(kind: str, name: str, tmp_path: Path) -> None:
    """Classes of PS3.4, annex B.5."""
    make(tmp_path, "MR/1", content=dicom("4"))
    make(tmp_path, "enhanced/1", content=dicom("4.1"))
    make(tmp_path, "captured/1", content=dicom("7"))  # some archives store a derived CT so
    make(tmp_path, "other/1", "other/2", content=dicom(kind))
    assert [found for found, _ in listed(tmp_path)] == ["MR", "captured", "enhanced"]
    assert left_out(tmp_path) == {"other/": f"DICOM without a CT or MR image (2 {name})"}


def test_patients_studies_and_series_are_named_by_their_path(tmp_path: Path) -> None:
    for series in ("anna/st-1/CT", "anna/st-2/CT", "bert/st-1/MR", "bert/st-1/MR/more"):
        make(tmp_path / series, "1", "2", content=dicom("2"))
    make(tmp_path, "anna/notes/a.txt", "pictures/deep/a.png", "pictures/b.png", "bert/n/s.nii")
    make(tmp_path, "anna/.hidden/1", content=dicom("2"))
    (tmp_path / "anna/again").symlink_to(tmp_path / "bert")
    found = find_inputs(tmp_path)
    assert [(item.name, item.path.relative_to(tmp_path).as_posix()) for item in found.inputs] == [
        ("anna_st-1_CT", "anna/st-1/CT"),
        ("anna_st-2_CT", "anna/st-2/CT"),
        ("bert_st-1_MR", "bert/st-1/MR"),
        ("bert_st-1_MR_more", "bert/st-1/MR/more"),
    ]
    assert left_out(tmp_path) == {
        "anna/again/": "a link to a folder further down",
        "anna/notes/": "neither NIfTI nor DICOM",
        "bert/n/": "NIfTI files in a folder below; name it as IN",
        "pictures/": "neither NIfTI nor DICOM",
    }
    assert listed(tmp_path / "bert/st-1") == [("MR", "dicom"), ("MR_more", "dicom")]


def test_a_linked_series_is_taken(tmp_path: Path) -> None:
    make(tmp_path / "store/CT", "1", content=dicom("2"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/mine").symlink_to(tmp_path / "store/CT")
    assert listed(tmp_path / "in") == [("mine", "dicom")]


def test_paths_that_give_one_name_or_too_long_a_one_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "a_b/c", "1", content=dicom("2"))
    make(tmp_path / "a/b_c", "1", content=dicom("2"))
    make(tmp_path / ("x" * 130) / ("y" * 130), "1", content=dicom("2"))
    make(tmp_path, "sound.nii")
    found = find_inputs(tmp_path)
    assert [item.name for item in found.inputs] == ["sound"]
    rules = [problem.rule for _, problem in found.refused]
    assert ["name of its own" in rule for rule in rules].count(True) == 2
    named_alike = [problem.found for _, problem in found.refused if "own" in problem.rule]
    assert all(
        f"'a_b_c' stands for {tmp_path}/a/b_c and {tmp_path}/a_b/c" == one for one in named_alike
    )
    assert "at most 240 bytes" in rules[-1]


def test_a_file_a_folder_and_series(tmp_path: Path) -> None:
    folder = make(tmp_path / "in", "b.nii.gz", "a.NII", "notes.txt", ".hidden.nii", "sub/c.nii")
    make(folder, "scan-1/0001", "scan-1/0002.dcm", content=DICOM)
    found = find_inputs(folder)
    assert [item.name for item in found.inputs] == ["a", "b", "scan-1"]
    assert [item.kind for item in found.inputs] == ["nifti", "nifti", "dicom"]
    assert left_out(folder) == {
        "notes.txt": "neither NIfTI nor DICOM",
        "sub/": "NIfTI files in a folder below; name it as IN",
    }
    assert found.refused == ()
    assert listed(folder / "b.nii.gz") == [("b", "nifti")]
    assert listed(folder / "scan-1") == [("scan-1", "dicom")]


def test_slices_beside_nifti_files_are_one_series(tmp_path: Path) -> None:
    make(tmp_path / "mixed", "a.nii")
    make(tmp_path / "mixed", "1.dcm", "2.dcm", content=DICOM)
    assert listed(tmp_path / "mixed") == [("a", "nifti"), ("mixed", "dicom")]


def test_scans_of_one_name_are_refused_and_the_others_are_not(tmp_path: Path) -> None:
    folder = make(tmp_path, "a.nii", "A.nii.gz", "b.nii")
    found = find_inputs(folder)
    assert [item.name for item in found.inputs] == ["b"]
    assert sorted(path.name for path, _ in found.refused) == ["A.nii.gz", "a.nii"]
    for _, problem in found.refused:
        assert "name of its own" in problem.rule
        assert "/A.nii.gz" in problem.found
        assert "/a.nii" in problem.found


def test_one_file_of_a_series_is_no_series(tmp_path: Path) -> None:
    make(tmp_path, "1.dcm", content=DICOM)
    with pytest.raises(DataError, match="name the folder of its series"):
        find_inputs(tmp_path / "1.dcm")


@pytest.mark.parametrize("name", ["a\u202eb.nii", " .nii", ".nii.gz"])
def test_a_name_that_cannot_be_seen_is_no_result_s(name: str, tmp_path: Path) -> None:
    found = find_inputs(make(tmp_path, name, "b.nii"))
    assert [item.name for item in found.inputs] == ["b"]
    assert len(found.refused) == (0 if name.startswith(".") else 1)


@pytest.mark.parametrize("what", ["nothing", "empty", "texts", "picture"])
def test_a_path_without_scans_says_what_was_expected(what: str, tmp_path: Path) -> None:
    path = tmp_path / what
    if what == "picture":
        path = make(tmp_path, "scan.png") / "scan.png"
    elif what != "nothing":
        path.mkdir()
    if what == "texts":
        make(path, *(f"{number}.txt" for number in range(9)))
    with pytest.raises(DataError) as caught:
        find_inputs(path)
    assert ".nii" in str(caught.value)
    if what == "texts":
        assert "0.txt" in str(caught.value)
        assert "and 4 more" in str(caught.value)


def test_pipes_and_broken_links_are_no_dicom_and_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("pipe", "link", "."):
        assert dicom_kind(tmp_path / name) is None
    make(tmp_path, "a.nii")
    assert list(left_out(tmp_path)) == ["link", "pipe"]
