"""Data sets that are not quite as they should be: left out and listed, or refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from miniature_trees import TREES, amos22, btcv, mmwhs, msd, nnunet, totalsegmentator_ct
from site_files import problems_of

from fedgin.data.adapters.base import FoundData
from fedgin.data.adapters.registry import get_adapter
from fedgin.errors import DataError, Problem


def find(name: str, root: Path) -> FoundData:
    return get_adapter(name).find(root)


def refused(name: str, root: Path) -> tuple[Problem, ...]:
    return problems_of(lambda: find(name, root), DataError)


def left_out(found: FoundData) -> dict[str, str]:
    return {left.path: left.reason for left in found.left_out}


def names(found: FoundData) -> list[str]:
    return [case.name for case in found.cases]


# Of each data set with label maps: image and label of one case, and its name.
ONE: dict[str, tuple[str, str, str]] = {
    "amos22": ("imagesTr/amos_0001.nii.gz", "labelsTr/amos_0001.nii.gz", "amos_0001"),
    "mmwhs": (
        "ct_train/ct_train_1001_image.nii.gz",
        "ct_train/ct_train_1001_label.nii.gz",
        "ct_train_1001",
    ),
    "btcv": ("img/img0001.nii.gz", "label/label0001.nii.gz", "img0001"),
    "msd": ("imagesTr/spleen_2.nii.gz", "labelsTr/spleen_2.nii.gz", "spleen_2"),
    "nnunet": ("imagesTr/case_000_0000.nii.gz", "labelsTr/case_000.nii.gz", "case_000"),
    "folder": ("images/case0.nii.gz", "labels/case0.nii.gz", "case0"),
}
WITH_LABEL_MAPS = pytest.mark.parametrize("name", ONE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds each miniature data set once."""
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            built[name] = TREES[name](tmp_path_factory.mktemp(name))
        return built[name]

    return build


@pytest.fixture
def copy(whole: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Returns a copy of a miniature data set's root that a test may change."""
    return lambda name: Path(shutil.copytree(whole(name), tmp_path / "copy" / name))


@WITH_LABEL_MAPS
def test_an_image_without_a_label_is_left_out(copy: Callable[[str], Path], name: str) -> None:
    root = copy(name)
    image, label, case = ONE[name]
    before = names(find(name, root))
    (root / label).unlink()
    found = find(name, root)
    assert left_out(found)[image] == "an image without a label file"
    assert names(found) == [other for other in before if other != case]


@WITH_LABEL_MAPS
def test_a_label_without_an_image_is_left_out(copy: Callable[[str], Path], name: str) -> None:
    root = copy(name)
    image, label, case = ONE[name]
    (root / image).unlink()
    found = find(name, root)
    assert case not in names(found)
    reasons = left_out(found)
    if name == "msd":  # its list says that there should be an image
        assert reasons["./" + image] == "an image of dataset.json that is not there"
    assert reasons[label] == "a label file without an image"


@WITH_LABEL_MAPS
def test_upper_case_names_are_the_same_files(copy: Callable[[str], Path], name: str) -> None:
    root = copy(name)
    image, label, case = ONE[name]
    count = len(find(name, root).cases)
    loud = (root / image).with_name(Path(image).name.upper())
    (root / image).rename(loud)
    found = find(name, root)
    assert len(found.cases) == count
    (renamed,) = (one for one in found.cases if one.name.casefold() == case.casefold())
    assert renamed.image == loud.relative_to(root).as_posix()
    assert renamed.label == label


@WITH_LABEL_MAPS
@pytest.mark.parametrize("kind", [0, 1])
def test_nii_beside_nii_gz_is_refused(copy: Callable[[str], Path], name: str, kind: int) -> None:
    root = copy(name)
    file = root / ONE[name][kind]
    beside = file.with_name(file.name.removesuffix(".gz"))
    shutil.copy(file, beside)
    (problem,) = refused(name, root)
    assert problem.rule == "a case must have one file of each kind"
    assert beside.name in problem.found
    assert file.name in problem.found


@WITH_LABEL_MAPS
def test_other_files_are_left_out_and_listed(copy: Callable[[str], Path], name: str) -> None:
    root = copy(name)
    folder = Path(ONE[name][0]).parent
    count = len(find(name, root).cases)
    (root / folder / "._x.nii.gz").write_bytes(bytes(187))
    (root / folder / ".DS_Store").touch()
    (root / folder / "notes.docx").touch()
    (root / "results").mkdir()
    found = find(name, root)
    assert len(found.cases) == count
    reasons = left_out(found)
    assert "hidden" in reasons[f"{folder}/._x.nii.gz"]
    assert "hidden" in reasons[f"{folder}/.DS_Store"]
    assert reasons[f"{folder}/notes.docx"] == "no .nii or .nii.gz file"
    assert reasons["results"] == "not part of the data set's layout"


@WITH_LABEL_MAPS
def test_a_link_out_of_the_root_is_refused(
    copy: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    root = copy(name)
    label = root / ONE[name][1]
    label.rename(tmp_path / "elsewhere.nii.gz")
    label.symlink_to(tmp_path / "elsewhere.nii.gz")
    (problem,) = refused(name, root)
    assert "symbolic link" in problem.found
    assert ONE[name][2] in problem.where


# ---------------------------------------------------------------- the root


@pytest.mark.parametrize("name", TREES)
def test_a_wrong_root_is_told_what_was_expected(tmp_path: Path, name: str) -> None:
    (tmp_path / "holiday.jpg").touch()
    (problem,) = refused(name, tmp_path)
    assert problem.where == str(tmp_path)
    assert all(line in problem.rule for line in get_adapter(name).layout)
    assert problem.found == "holiday.jpg"
    (problem,) = refused(name, tmp_path / "none")
    assert problem.found == "no such folder"


@pytest.mark.parametrize("name", TREES)
def test_the_right_root_above_or_below_is_named(
    whole: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    right = whole(name)
    inside = next(path for path in sorted(right.iterdir()) if path.is_dir())
    (problem,) = refused(name, inside)
    assert problem.mend == f"name {right} instead"
    deep = tmp_path / "download" / "unpacked"
    deep.mkdir(parents=True)
    (deep / "set").symlink_to(right)
    for root in (deep, deep.parent):
        (problem,) = refused(name, root)
        assert problem.mend == f"name {deep / 'set'} instead"


def test_a_root_without_any_pair_is_refused(tmp_path: Path) -> None:
    root = btcv(tmp_path, cases=1)
    (root / "label" / "label0001.nii.gz").unlink()
    (problem,) = refused("btcv", root)
    assert problem.rule == "a data set must have at least one image with its label"
    assert "img/img0001.nii.gz: an image without a label file" in problem.found


# ---------------------------------------------------------------- label schemes


def rewrite(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_amos22_with_another_label_scheme_is_refused(tmp_path: Path) -> None:
    root = amos22(tmp_path)
    find("amos22", root)  # its own spelling, "arota" and "postcava", is known
    btcv_scheme = {"10": "portal vein and splenic vein", "11": "pancreas"}
    rewrite(root / "dataset.json", labels={"0": "background", "1": "spleen", **btcv_scheme})
    (problem,) = refused("amos22", root)
    assert problem.rule.startswith("a data set must have one label scheme")
    assert "11 is 'pancreas' there and 'adrenal_gland_right' here" in problem.found


def test_a_case_of_amos22_in_two_splits_is_refused(tmp_path: Path) -> None:
    root = amos22(tmp_path)
    for kind in ("images", "labels"):
        file = root / f"{kind}Tr" / "amos_0001.nii.gz"
        shutil.copy(file, root / f"{kind}Va" / file.name)
    (problem,) = refused("amos22", root)
    assert problem.rule == "a case must stand in a data set once"
    assert problem.found == "imagesTr/amos_0001.nii.gz and imagesVa/amos_0001.nii.gz"


def test_overlapping_regions_and_ignore_of_nnunet_are_told(tmp_path: Path) -> None:
    labels = {"background": 0, "kidney": [1, 2, 3], "tumor": 2, "liver": 4, "ignore": 9}
    found = find("nnunet", nnunet(tmp_path, labels=labels))
    assert found.labels == {"kidney": (1, 2, 3), "liver": 4}
    assert any("'tumor' (2) overlaps" in note for note in found.notes)
    assert any("Value 9 is nnU-Net's ignore label" in note for note in found.notes)


def test_a_tumour_is_told_to_be_no_part_of_its_organ(tmp_path: Path) -> None:
    root = msd(tmp_path)
    rewrite(root / "dataset.json", labels={"0": "background", "1": "liver", "2": "cancer"})
    found = find("msd", root)
    assert found.labels == {"liver": 1, "cancer": 2}
    assert any(note.startswith("cancer: a structure of its own") for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "where", "found"),
    [
        ({"modality": {"0": "FLAIR", "1": "T1w"}}, "key 'modality'", "'FLAIR', 'T1w'"),
        ({"modality": {"0": "PET"}}, "dataset.json", "'PET'"),
        ({"modality": "CT"}, "key 'modality'", "'CT'"),
        ({"labels": {"0": "background", "x": "spleen"}}, "key 'labels'", "'x': 'spleen'"),
        ({"labels": {"1": "spleen", "2": "Spleen"}}, "key 'labels'", "'spleen' twice"),
        ({"labels": [1]}, "key 'labels'", "[1]"),
        ({"labels": {"spleen": True}}, "key 'labels'", "'spleen': True"),
        ({"labels": {"spleen": -1}}, "key 'labels'", "'spleen': -1"),
        ({"labels": {"spleen": "9" * 5000}}, "key 'labels'", "'spleen': '999"),
        ({"labels": {"\u0000": 1}}, "key 'labels'", "'\\x00': 1"),
        ({"training": ["a", None]}, "training[0]", "'a'"),
        ({"training": [{"image": "./imagesTr/spleen_2.nii.gz"}]}, "training[0]", "spleen_2"),
        ({"training": {}}, "key 'training'", "{}"),
    ],
)
def test_a_wrong_dataset_json_is_refused(
    tmp_path: Path, changes: dict[str, Any], where: str, found: str
) -> None:
    root = msd(tmp_path, cases=1)
    rewrite(root / "dataset.json", **changes)
    problem = refused("msd", root)[0]
    assert where in problem.where
    assert found in problem.found


def test_a_broken_dataset_json_is_refused(tmp_path: Path) -> None:
    for name, root in (("msd", msd(tmp_path)), ("nnunet", nnunet(tmp_path))):
        (root / "dataset.json").write_text("{")
        (problem,) = refused(name, root)
        assert problem.where == str(root / "dataset.json")
        assert problem.rule == "the file must be valid JSON"


def test_nnunet_files_of_another_kind_or_channel(tmp_path: Path) -> None:
    root = nnunet(tmp_path)
    shutil.copy(
        root / "imagesTr" / "case_000_0000.nii.gz", root / "imagesTr" / "case_000_0001.nii.gz"
    )
    assert "no first channel" in left_out(find("nnunet", root))["imagesTr/case_000_0001.nii.gz"]
    rewrite(root / "dataset.json", file_ending=".png")
    (problem,) = refused("nnunet", root)
    assert (problem.found, problem.rule[:24]) == ("'.png'", "the files must be NIfTI:")


def test_test_labels_of_nnunet_make_a_split(tmp_path: Path) -> None:
    root = nnunet(tmp_path)
    (root / "labelsTs").mkdir()
    shutil.copy(root / "labelsTr" / "case_000.nii.gz", root / "labelsTs" / "case_100.nii.gz")
    splits = {case.name: case.split for case in find("nnunet", root).cases}
    assert splits == {"case_000": "train", "case_001": "train", "case_002": "train"} | {
        "case_100": "test"
    }


def test_entries_of_msd_never_lead_out_of_its_folders(tmp_path: Path) -> None:
    root = msd(tmp_path, cases=1)
    listed = json.loads((root / "dataset.json").read_text())["training"]
    (tmp_path / "x.nii.gz").touch()
    away = {"image": "../x.nii.gz", "label": "../x.nii.gz"}
    rewrite(root / "dataset.json", training=[*listed, away])
    found = find("msd", root)
    assert names(found) == ["spleen_2"]
    assert "not there" in left_out(found)["../x.nii.gz"]


# ---------------------------------------------------------------- TotalSegmentator


def test_subjects_without_image_masks_or_line_are_left_out(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path, subjects=8)
    (root / "s0000" / "ct.nii.gz").unlink()
    shutil.rmtree(root / "s0001" / "segmentations")
    (root / "s0002" / "segmentations" / "liver.nii.gz").unlink()
    (root / "s0003").rename(root / "s0999")
    (root / "s0004" / "segmentations" / "._liver.nii.gz").touch()
    (root / "._s0004").touch()
    found = find("totalsegmentator_ct", root)
    assert names(found) == ["s0004", "s0005", "s0006", "s0007"]
    assert left_out(found) == {
        "s0000": "a folder without ct.nii.gz",
        "s0001": "an image without a folder of masks (segmentations)",
        "s0002/segmentations": "no mask of liver",
        "s0003": "a subject of meta.csv that is not there",
        "s0999": "a subject without a line in meta.csv",
        "s0004/segmentations/._liver.nii.gz": "a hidden file or folder, such as macOS leaves",
        "._s0004": "a hidden file or folder, such as macOS leaves",
    }


def test_what_else_lies_in_a_subjects_folder_is_listed(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path, subjects=2)
    (root / "s0000" / "ct.nii.gz").rename(root / "s0000" / "CT.NII.GZ")
    (root / "s0000" / "segmentations").rename(root / "s0000" / "Segmentations")
    (root / "s0000" / "old.nii.gz").touch()
    (root / "s0001" / "._ct.nii.gz").touch()
    found = find("totalsegmentator_ct", root)
    assert (found.cases[0].image, found.cases[0].label) == (
        "s0000/CT.NII.GZ",
        "s0000/Segmentations",
    )
    assert left_out(found) == {
        "s0000/old.nii.gz": "not part of the data set's layout",
        "s0001/._ct.nii.gz": "a hidden file or folder, such as macOS leaves",
    }
    (root / "s0001" / "ct.nii").touch()
    (problem,) = refused("totalsegmentator_ct", root)
    assert problem.where == str(root / "s0001")
    assert problem.found == "ct.nii and ct.nii.gz"


def test_a_mask_that_only_some_subjects_have_is_no_structure(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path)
    (root / "s0000" / "segmentations" / "aorta.nii.gz").unlink()
    for subject in ("s0001", "s0002", "s0003"):
        (root / subject / "segmentations" / "heart.nii.gz").unlink()
    found = find("totalsegmentator_ct", root)
    assert len(found.cases) == 5
    assert not {"aorta", "heart"} & set(found.labels)
    assert any(note.endswith("aorta, heart") for note in found.notes)


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("image_id,split\ns0000,train\n", "meta.csv", "image_id,split"),
        ("", "meta.csv", "an empty file"),
        ("image_id;split\ns0000;trian\n", "meta.csv: line 2", "'s0000' in 'trian'"),
        ("image_id;split\ns0000;val\ns0000;test\n", "meta.csv: line 3", "'s0000' in two"),
        ("image_id;split\ns0000\n", "meta.csv: line 2", "'s0000' in ''"),
        ("image_id;split\n" + "s" * 200_000, "meta.csv", "field larger than field limit (131072)"),
    ],
)
def test_a_wrong_meta_csv_is_refused(tmp_path: Path, text: str, where: str, found: str) -> None:
    root = totalsegmentator_ct(tmp_path, subjects=2)
    (root / "meta.csv").write_text(text)
    problem = refused("totalsegmentator_ct", root)[0]
    assert problem.where == f"{root}/{where}"
    assert problem.found == found


def test_lines_of_meta_csv_name_no_other_folder(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path / "set", subjects=3)
    (tmp_path / "elsewhere").mkdir()
    with (root / "meta.csv").open("a") as file:
        for subject in ("../elsewhere", "/etc", "s" * 5000):
            file.write(f"{subject};1;m;C;ct;train\n")
    found = find("totalsegmentator_ct", root)
    assert len(found.cases) == 3
    assert {path[:12] for path in left_out(found)} == {"../elsewhere", "/etc", "s" * 12}


def test_without_meta_csv_there_is_no_split(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path)
    (root / "meta.csv").unlink()
    found = find("totalsegmentator_ct", root)
    assert {case.split for case in found.cases} == {None}
    assert any("no meta.csv" in note for note in found.notes)


def test_the_other_modality_of_totalsegmentator_is_a_wrong_root(tmp_path: Path) -> None:
    root = totalsegmentator_ct(tmp_path, subjects=2)
    (problem,) = refused("totalsegmentator_mr", root)
    assert "s0001/mri.nii.gz" in problem.rule


def test_mmwhs_may_be_in_several_folders(tmp_path: Path) -> None:
    root = mmwhs(tmp_path)
    (root / "ct_train").rename(root / "ct_train1")
    (root / "ct_train2").mkdir()
    for kind in ("image", "label"):
        name = f"ct_train_1003_{kind}.nii.gz"
        (root / "ct_train1" / name).rename(root / "ct_train2" / name)
    assert len(find("mmwhs", root).cases) == 6


@pytest.mark.parametrize(("name", "other"), [("msd", "nnunet"), ("nnunet", "msd")])
def test_another_adapters_data_set_is_called_by_its_name(
    copy: Callable[[str], Path], name: str, other: str
) -> None:
    root = copy(other)
    (problem,) = refused(name, root)
    assert problem.mend == f"use the adapter '{other}'"
    assert "the key 'training'" in problem.found
    assert "_0000" in problem.found
    assert find(other, root).cases


def test_a_decathlon_without_its_list_of_cases_is_told_which_key_it_lacks(
    copy: Callable[[str], Path],
) -> None:
    root = copy("msd")
    content = json.loads((root / "dataset.json").read_text())
    del content["training"]
    (root / "dataset.json").write_text(json.dumps(content))
    (problem,) = refused("msd", root)
    assert problem.found == "dataset.json without the key 'training'"


def test_a_dataset_json_that_is_a_list_is_mended_as_json(copy: Callable[[str], Path]) -> None:
    root = copy("msd")
    (root / "dataset.json").write_text("[]")
    (problem,) = refused("msd", root)
    assert problem.found == "list"
    assert problem.mend == 'write {"key": value, ...}'


@pytest.mark.parametrize("name", ["msd", "nnunet"])
def test_cases_that_dataset_json_promises_and_are_not_there_are_noted(
    copy: Callable[[str], Path], name: str
) -> None:
    root = copy(name)
    assert not any("numTraining" in note for note in find(name, root).notes)
    content = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**content, "numTraining": 50}))
    (note,) = [note for note in find(name, root).notes if "numTraining" in note]
    assert note == "Its dataset.json says numTraining 50; images with labels: 3."
