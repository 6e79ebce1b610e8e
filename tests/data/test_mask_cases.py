"""A site whose structures have a file each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_files import make_site, problems_of, save

from fedgin.data.hashing import FileHashes
from fedgin.data.mask_cases import MaskCase
from fedgin.data.prepare import prepare_site, site_label_map
from fedgin.data.sources import list_cases
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site
from fedgin.tasks import get_task

SHAPE = (6, 5, 4)
STRUCTURES = ["liver", "spleen"]
ABDOMEN = get_task("abdomen")


def write_case(root: Path, name: str = "a") -> Path:
    """An image with a liver of two voxels and a spleen of one; returns the folder of its masks."""
    save(root / name / "ct.nii.gz", np.full(SHAPE, -1000, np.int16))
    masks = root / name / "masks"
    liver, spleen = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    liver[1, 1, 1:3], spleen[4, 3, 2] = 1, 255
    save(masks / "liver.nii.gz", liver)
    save(masks / "spleen.nii", spleen)
    return masks


def masks_site(folder: Path, *names: str, **values: Any) -> Site:
    cases = [{"image": f"{n}/ct.nii.gz", "masks": f"{n}/masks", "patient": n} for n in names]
    dataset = {"kind": "masks", "root": str(folder / "data"), "structures": STRUCTURES}
    return make_site(folder, dataset={**dataset, "cases": cases, **values})


def one(folder: Path) -> MaskCase:
    (case,) = list_cases(masks_site(folder, "a"), ABDOMEN)
    assert isinstance(case, MaskCase)
    return case


def refused(folder: Path) -> tuple[Problem, ...]:
    return problems_of(one(folder).load, DataError)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return write_case(tmp_path / "data")


def test_masks_become_values_in_the_order_of_the_structures(tmp_path: Path, masks: Path) -> None:
    loaded = one(tmp_path).load()
    expected = np.zeros(SHAPE)
    expected[1, 1, 1:3], expected[4, 3, 2] = 1, 2
    np.testing.assert_array_equal(loaded.label.array, expected)
    np.testing.assert_array_equal(loaded.label.affine, loaded.image.affine)
    assert loaded.label.array.dtype == np.uint8


def test_other_masks_are_background(tmp_path: Path, masks: Path) -> None:
    everything = np.ones(SHAPE, np.uint8)
    save(masks / "body.nii.gz", everything)
    assert set(np.unique(one(tmp_path).load().label.array)) == {0, 1, 2}


def test_the_labels_come_from_the_structures(tmp_path: Path, masks: Path) -> None:
    site = masks_site(tmp_path, "a")
    label_map = site_label_map(site, make_settings(task="abdomen"), partial=True)
    assert label_map.class_of == {1: 1, 2: 2}
    assert set(label_map.not_annotated) == set(ABDOMEN.class_names[2:])


def test_a_missing_mask_is_named(tmp_path: Path, masks: Path) -> None:
    (masks / "spleen.nii").unlink()
    (problem,) = refused(tmp_path)
    assert problem.where == f"a/ct: {masks}/spleen.nii.gz".replace("a/ct", "ct")
    assert problem.rule == "every structure must have a mask"
    (masks / "liver.nii.gz").unlink()
    assert len(refused(tmp_path)) == 2


def test_two_files_of_one_mask_are_refused(tmp_path: Path, masks: Path) -> None:
    save(masks / "LIVER.NII", np.zeros(SHAPE, np.uint8))
    (problem,) = refused(tmp_path)
    assert problem.rule == "a structure must have one mask"
    assert problem.found == "LIVER.NII and liver.nii.gz"


def test_two_masks_of_the_same_voxel_are_refused(tmp_path: Path, masks: Path) -> None:
    spleen = np.zeros(SHAPE, np.uint8)
    spleen[1, 1, 2:4] = 1
    save(masks / "spleen.nii", spleen)
    (problem,) = refused(tmp_path)
    assert problem.where == f"ct: {masks}/spleen.nii"
    assert problem.rule == "a voxel must lie in one structure's mask only"
    assert problem.found == "1 voxels of 'spleen' in 'liver'"


def test_a_mask_of_several_values_is_refused(tmp_path: Path, masks: Path) -> None:
    several = np.zeros(SHAPE, np.uint8)
    several[0, 0, :3] = 1, 2, 2
    save(masks / "liver.nii.gz", several)
    (problem,) = refused(tmp_path)
    assert problem.found == "1 voxels of other values than 0 and 2"


def test_masks_of_another_grid_are_refused_together(tmp_path: Path, masks: Path) -> None:
    moved = np.diag([2.0, 2.0, 3.0, 1.0])
    moved[0, 3] = 1.0
    save(masks / "liver.nii.gz", np.zeros(SHAPE, np.uint8), moved)
    save(masks / "spleen.nii", np.zeros((6, 5, 3), np.uint8))
    problems = refused(tmp_path)
    assert [problem.where for problem in problems[:1]] == [f"ct: {masks}/liver.nii.gz"]
    assert "1.000 mm apart" in problems[0].found
    assert {problem.where for problem in problems[1:]} == {f"ct: {masks}/spleen.nii"}
    assert "(6, 5, 3)" in problems[1].found


def test_no_problem_of_a_case_hides_another(tmp_path: Path, masks: Path) -> None:
    (masks / "spleen.nii").unlink()
    (masks / "liver.nii.gz").write_bytes(b"no gzip")
    (masks.parent / "ct.nii.gz").unlink()
    rules = {problem.rule for problem in refused(tmp_path)}
    assert rules >= {"every structure must have a mask", "the file must exist"}


def test_a_mask_behind_a_link_out_of_the_root_is_refused(tmp_path: Path, masks: Path) -> None:
    (masks / "liver.nii.gz").rename(tmp_path / "liver.nii.gz")
    (masks / "liver.nii.gz").symlink_to(tmp_path / "liver.nii.gz")
    (problem,) = refused(tmp_path)
    assert "symbolic link" in problem.found


def test_paths_of_the_list_stay_below_the_root(tmp_path: Path, masks: Path) -> None:
    cases = [
        {"image": "../ct.nii.gz", "masks": "a/masks"},
        {"image": "a/ct.nii.gz", "masks": "../../etc"},
        {"image": "a/ct.nii.gz", "masks": "a/ct.nii.gz"},
    ]
    site = masks_site(tmp_path, cases=cases)
    problems = problems_of(lambda: list_cases(site, ABDOMEN), DataError)
    assert [problem.where.split(": ")[1] for problem in problems] == [
        "key 'dataset.cases.0.image'",
        "key 'dataset.cases.1.masks'",
        "key 'dataset.cases.2.masks'",
    ]
    assert problems[2].rule == "a path must lead to a folder"


def test_the_content_of_a_mask_changes_the_key(tmp_path: Path, masks: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    case = one(tmp_path)
    keys = {case.content_key(hashes)}
    for path in (masks / "spleen.nii", masks.parent / "ct.nii.gz"):
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
        os.utime(path, ns=(1, len(keys)))
        keys.add(case.content_key(hashes))
    save(masks / "unread.nii.gz", np.ones(SHAPE, np.uint8))
    keys.add(case.content_key(hashes))
    assert len(keys) == 3


def test_cases_whose_image_names_repeat_go_by_their_folders(tmp_path: Path, masks: Path) -> None:
    write_case(tmp_path / "data", "b")
    cases = list_cases(masks_site(tmp_path, "a", "b"), ABDOMEN)
    assert [(case.name, case.patient) for case in cases] == [("a/ct", "a"), ("b/ct", "b")]


@pytest.mark.parametrize(
    ("structures", "rule"),
    [
        ([], "name at least one structure"),
        (["liver", "Liver"], "each structure may stand once"),
        (["../liver"], "'../liver' is no file name of a mask without its suffix"),
        (["a/liver"], "'a/liver' is no file name"),
        ([".liver"], "'.liver' is no file name"),
    ],
)
def test_structures_are_names_of_files(tmp_path: Path, structures: list[str], rule: str) -> None:
    (problem,) = problems_of(lambda: masks_site(tmp_path, structures=structures), ConfigError)
    assert problem.rule.startswith(rule)
    assert problem.where.endswith("hospital.yaml: key 'dataset.masks.structures'")


def test_a_site_of_masks_is_prepared(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = write_case(tmp_path / "data", name)
        image = np.random.default_rng(0).normal(-500, 300, SHAPE).astype(np.int16)
        image[0] = -1000
        save(folder.parent / "ct.nii.gz", image)
    settings = make_settings(task="abdomen", spacing=[2.0, 2.0, None])
    site = masks_site(tmp_path, "a", "b")
    prepared = prepare_site(site, settings, partial=True)
    (case,) = prepared.splits["train"]
    # (z, y, x) of the voxels above.
    assert np.argwhere(case.label == 1).tolist() == [[1, 1, 1], [2, 1, 1]]
    assert np.argwhere(case.label == 2).tolist() == [[2, 3, 4]]
