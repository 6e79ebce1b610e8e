"""What each adapter finds in a data set that lies as it was unzipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniature_trees import MASKS_CT, MASKS_MR, TREES, nnunet

from fedgin.data.adapters.base import FoundData
from fedgin.data.adapters.registry import adapter_names, all_adapters, get_adapter
from fedgin.errors import ConfigError
from fedgin.tasks import HEART_PARTS, get_task

ABDOMEN = get_task("abdomen").class_names


def find(name: str, folder: Path) -> FoundData:
    return get_adapter(name).find(TREES[name](folder))


def dealt(found: FoundData) -> dict[str, tuple[str | None, str | None]]:
    return {case.name: (case.modality, case.split) for case in found.cases}


def left_out(found: FoundData) -> dict[str, str]:
    return {left.path: left.reason for left in found.left_out}


def test_every_tree_is_found_and_nothing_in_it_is_changed(tmp_path: Path) -> None:
    for name, build in TREES.items():
        root = build(tmp_path / name)
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        found = get_adapter(name).find(root)
        assert found.cases, name
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
        for case in found.cases:
            assert (root / case.image).is_file(), name
            assert (root / case.label).exists(), name


def test_amos22_tells_ct_from_mr_by_the_number(tmp_path: Path) -> None:
    found = find("amos22", tmp_path)
    assert dealt(found) == {
        "amos_0001": ("CT", "train"),
        "amos_0002": ("CT", "train"),
        "amos_0003": ("CT", "validation"),
        "amos_0507": ("MR", "train"),
        "amos_0508": ("MR", "train"),
        "amos_0509": ("MR", "validation"),
    }
    assert left_out(found) == {
        "imagesTs/amos_0004.nii.gz": "a test image, whose label is not public",
        "imagesTs/amos_0510.nii.gz": "a test image, whose label is not public",
    }
    # Ji et al. 2022, in the tasks' names.
    values = {"spleen": 1, "kidney_right": 2, "kidney_left": 3, "gallbladder": 4}
    values |= {"liver": 6, "pancreas": 10}
    assert {name: found.labels[name] for name in values} == values
    assert sorted(found.labels.values()) == list(range(1, 16))


def test_mmwhs_has_the_parts_of_the_heart(tmp_path: Path) -> None:
    found = find("mmwhs", tmp_path)
    assert {case.modality for case in found.cases} == {"CT", "MR"}
    assert [case.name for case in found.cases][:3] == [f"ct_train_{n}" for n in range(1001, 1004)]
    assert {case.split for case in found.cases} == {None}
    assert set(HEART_PARTS) < set(found.labels)
    assert found.labels["left_atrium"] == (420, 421)
    values = {"left_ventricle": 500, "right_ventricle": 600, "right_atrium": 550}
    values |= {"myocardium": 205, "aorta": 820, "pulmonary_artery": 850}
    assert {name: found.labels[name] for name in values} == values
    assert len(found.left_out) == 2
    # A CT and an MR case of one number are of different patients.
    assert len({case.patient for case in found.cases}) == len(found.cases)


def test_btcv(tmp_path: Path) -> None:
    found = find("btcv", tmp_path)
    pairs = [(case.image, case.label) for case in found.cases]
    assert pairs[0] == ("img/img0001.nii.gz", "label/label0001.nii.gz")
    assert set(dealt(found).values()) == {("CT", None)}
    values = {"spleen": 1, "kidney_right": 2, "kidney_left": 3, "gallbladder": 4}
    values |= {"liver": 6, "pancreas": 11}
    assert {name: found.labels[name] for name in values} == values


def test_msd_reads_its_dataset_json(tmp_path: Path) -> None:
    found = find("msd", tmp_path)
    assert dealt(found) == {f"spleen_{n}": ("CT", None) for n in (2, 3, 6)}
    assert found.cases[0].image == "imagesTr/spleen_2.nii.gz"
    assert found.labels == {"spleen": 1}
    hidden = {path for path, reason in left_out(found).items() if "hidden" in reason}
    assert hidden == {f"imagesTr/._spleen_{n}.nii.gz" for n in (2, 3, 6)}
    assert "imagesTs/spleen_1.nii.gz" in left_out(found)


def test_nnunet_reads_its_dataset_json(tmp_path: Path) -> None:
    found = find("nnunet", tmp_path)
    assert dealt(found) == {f"case_{n:03d}": ("MR", None) for n in range(3)}
    assert found.cases[0].image == "imagesTr/case_000_0000.nii.gz"
    assert found.cases[0].label == "labelsTr/case_000.nii.gz"
    assert found.labels == {name: value for value, name in enumerate(ABDOMEN, start=1)}
    ct = get_adapter("nnunet").find(nnunet(tmp_path / "ct", channel="CT"))
    assert {case.modality for case in ct.cases} == {"CT"}


@pytest.mark.parametrize(
    ("name", "image", "masks"),
    [("totalsegmentator_ct", "ct", MASKS_CT), ("totalsegmentator_mr", "mri", MASKS_MR)],
)
def test_totalsegmentator(tmp_path: Path, name: str, image: str, masks: tuple[str, ...]) -> None:
    found = find(name, tmp_path)
    assert found.form == "masks"
    assert found.cases[0].image == f"s0000/{image}.nii.gz"
    assert found.cases[0].label == "s0000/segmentations"
    assert set(found.labels) == set(masks)
    assert sorted(found.labels.values()) == list(range(1, len(masks) + 1))
    assert found.left_out == ()
    splits = [case.split for case in found.cases]
    ct = ["train", "train", "train", "validation", "test"]
    assert splits == (ct if image == "ct" else ["train"] * 4 + ["test"])


def test_a_plain_folder_says_the_modality_in_its_names_or_not_at_all(tmp_path: Path) -> None:
    found = find("folder", tmp_path / "two")
    assert set(dealt(found).values()) == {(None, None)}
    assert found.labels == {name: value for value, name in enumerate(ABDOMEN, start=1)}
    flat = tmp_path / "flat"
    flat.mkdir()
    for stem in ("ct_a", "mr_b", "c-MRI", "direct"):
        for end in ("_image", "_label"):
            (flat / f"{stem}{end}.nii.gz").touch()
    modalities = {case.name: case.modality for case in get_adapter("folder").find(flat).cases}
    assert modalities == {"c-MRI": "MR", "ct_a": "CT", "direct": None, "mr_b": "MR"}


def test_pairs_in_one_folder_may_end_in_many_ways(tmp_path: Path) -> None:
    for image, label in (("a", "a_seg"), ("b_image", "b_label"), ("c", "c-mask"), ("d", "d_gt")):
        (tmp_path / f"{image}.nii.gz").touch()
        (tmp_path / f"{label}.nii").touch()
    found = get_adapter("folder").find(tmp_path)
    assert [(case.image, case.label) for case in found.cases] == [
        ("a.nii.gz", "a_seg.nii"),
        ("b_image.nii.gz", "b_label.nii"),
        ("c.nii.gz", "c-mask.nii"),
        ("d.nii.gz", "d_gt.nii"),
    ]


def test_every_adapter_says_what_it_reads_and_where_that_is_written() -> None:
    names = adapter_names()
    assert set(TREES) <= set(names)
    assert len(set(names)) == len(names)
    for adapter in all_adapters():
        assert adapter.title
        assert adapter.layout
        assert adapter.source


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'amos22'"):
        get_adapter("amos")
