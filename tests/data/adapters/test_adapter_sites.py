"""A site whose file names a data set, whose cases are found at every start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniature_trees import MASKS_MR, TREES, amos22, folder, mmwhs, totalsegmentator_mr
from site_files import make_site, problems_of

from dicom_trees import block, oblique, save, structure_set, voxels, write_series
from fedgin.data.mask_cases import MaskCase
from fedgin.data.prepare import prepare_site, site_label_map
from fedgin.data.sources import list_cases
from fedgin.data.split import split_cases
from fedgin.errors import ConfigError, DataError
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site
from fedgin.tasks import get_task

SHAPE = (12, 10, 5)
ABDOMEN, HEART = get_task("abdomen"), get_task("heart")


def site_of(tmp_path: Path, name: str, root: Path, **values: Any) -> Site:
    dataset = {"kind": "adapter", "name": name, "root": str(root)}
    return make_site(tmp_path, dataset=dataset, **values)


def dealt(site: Site) -> dict[str, list[str]]:
    splits = split_cases(site, list_cases(site, ABDOMEN))
    return {name: [case.name for case in cases] for name, cases in splits.items()}


@pytest.fixture
def amos(tmp_path: Path) -> Path:
    return amos22(tmp_path / "amos", ct=5, mr=4)


def settings_of(task: str) -> ResolvedSettings:
    return make_settings(task=task, spacing=[8.0, 8.0, None])


def test_the_modality_picks_the_cases(tmp_path: Path, amos: Path) -> None:
    for modality, first in (("CT", "amos_0001"), ("MR", "amos_0507")):
        cases = list_cases(site_of(tmp_path, "amos22", amos, modality=modality), ABDOMEN)
        assert cases[0].name == first
        assert len(cases) == {"CT": 4, "MR": 3}[modality]


def test_a_modality_that_is_not_there_is_refused_with_counts(tmp_path: Path) -> None:
    root = amos22(tmp_path / "amos", ct=3, mr=0)
    site = site_of(tmp_path, "amos22", root, modality="MR")
    (problem,) = problems_of(lambda: list_cases(site, ABDOMEN), DataError)
    assert problem.where.endswith("key 'modality'")
    assert problem.found == "2 of CT"


def test_a_wrong_root_names_the_key_of_the_sites_file(tmp_path: Path, amos: Path) -> None:
    for root, found in ((amos / "imagesTr", "amos_0001.nii.gz"), (tmp_path / "x", "no such")):
        site = site_of(tmp_path, "amos22", root)
        (problem,) = problems_of(lambda site=site: list_cases(site, ABDOMEN), DataError)  # type: ignore[misc]
        assert problem.where == f"{site.path}: key 'dataset.root'"
        assert problem.found.startswith(f"'{root}': {found}")


def test_labels_and_split_are_the_data_sets_own(tmp_path: Path, amos: Path) -> None:
    site = site_of(tmp_path, "amos22", amos)
    label_map = site_label_map(site, settings_of("abdomen"))
    assert label_map.class_of == {6: 1, 1: 2, 2: 3, 3: 4, 10: 5, 4: 6}
    assert dealt(site) == {
        "train": ["amos_0001", "amos_0002", "amos_0003"],
        "validation": ["amos_0004"],
        "test": [],
    }


def test_the_sites_file_may_say_otherwise(tmp_path: Path, amos: Path) -> None:
    every = site_of(tmp_path, "amos22", amos, split={"by": "test"})
    assert len(dealt(every)["test"]) == 4
    split = {"by": "fraction", "validation": 0, "test": 0.5}
    assert {
        n: len(c) for n, c in dealt(site_of(tmp_path, "amos22", amos, split=split)).items()
    } == {
        "train": 2,
        "validation": 0,
        "test": 2,
    }
    labels = {"liver": 6, "spleen": 1}
    site = site_of(tmp_path, "amos22", amos, labels=labels, other_labels=[2, 3])
    assert set(site_label_map(site, settings_of("abdomen"), partial=True).names) == {0, 1, 2, 3, 6}


def test_training_patients_validate_where_the_own_split_names_none(tmp_path: Path) -> None:
    root = totalsegmentator_mr(tmp_path / "ts", subjects=12)
    by_default = dealt(site_of(tmp_path, "totalsegmentator_mr", root, modality="MR"))
    assert {name: len(cases) for name, cases in by_default.items()} == {
        "train": 10,
        "validation": 1,
        "test": 1,
    }
    assert by_default["test"] == ["s0011"]
    more = {"by": "own", "validation": 0.5, "seed": 3}
    half = dealt(site_of(tmp_path, "totalsegmentator_mr", root, modality="MR", split=more))
    assert [len(half[name]) for name in ("train", "validation", "test")] == [5, 6, 1]
    none = {"by": "own", "validation": 0}
    whole = dealt(site_of(tmp_path, "totalsegmentator_mr", root, modality="MR", split=none))
    assert [len(whole[name]) for name in ("train", "validation", "test")] == [11, 0, 1]


def test_an_own_split_needs_a_data_set_that_has_one(tmp_path: Path) -> None:
    site = site_of(tmp_path, "mmwhs", mmwhs(tmp_path / "mmwhs"), split={"by": "own"})
    (problem,) = problems_of(lambda: dealt(site), ConfigError)
    assert problem.where.endswith("key 'split'")
    assert "comes with a split" in problem.rule


def test_only_the_masks_of_the_task_are_read(tmp_path: Path) -> None:
    root = totalsegmentator_mr(tmp_path / "ts", subjects=3)
    (root / "s0000" / "segmentations" / "stomach.nii.gz").write_bytes(b"damaged")
    site = site_of(tmp_path, "totalsegmentator_mr", root, modality="MR")
    for task, names in ((ABDOMEN, ABDOMEN.class_names), (HEART, ("heart",))):
        case = list_cases(site, task)[0]
        assert isinstance(case, MaskCase)
        assert set(case.values) == set(names)
        # Values follow the alphabet of all masks; draw() gave each a box.
        alphabet = sorted(MASKS_MR)
        expected = {0, *(alphabet.index(name) + 1 for name in names)}
        assert set(np.unique(case.load().label.array)) == expected


def test_labels_of_masks_come_from_their_names_alone(tmp_path: Path) -> None:
    root = totalsegmentator_mr(tmp_path / "ts", subjects=2)
    site = site_of(tmp_path, "totalsegmentator_mr", root, modality="MR", labels={"liver": 3})
    (problem,) = problems_of(lambda: site_label_map(site, settings_of("abdomen")), ConfigError)
    assert problem.where.endswith("key 'labels'")
    assert problem.mend == "leave the key out"


def test_values_are_not_given_for_what_segments_and_contours_name(tmp_path: Path) -> None:
    root = tmp_path / "export"
    write_series(root / "A" / "ct", voxels(SHAPE), oblique(), series="one", patient="anna")
    save(structure_set({"liver": [(1, block(2, 6))]}, series="one"), root / "A" / "RS")
    # Whatever the file numbers, 3 would be read for another organ's number.
    site = site_of(tmp_path, "dicom", root, modality="CT", labels={"liver": 3})
    (problem,) = problems_of(lambda: site_label_map(site, settings_of("abdomen")), ConfigError)
    assert problem.where.endswith("key 'labels'")
    assert "ROIs are named by their files" in problem.rule
    assert problem.mend == "leave the key out"


def test_a_folder_without_label_names_needs_them(tmp_path: Path) -> None:
    root = folder(tmp_path / "plain")
    (root / "dataset.json").unlink()
    site = site_of(tmp_path, "folder", root)
    (problem,) = problems_of(lambda: site_label_map(site, settings_of("abdomen")), ConfigError)
    assert problem.where.endswith("key 'labels'")
    named = site_of(tmp_path, "folder", root, labels={"liver": 1}, other_labels=[2, 3, 4, 5, 6])
    assert site_label_map(named, settings_of("abdomen"), partial=True).class_of == {1: 1}
    assert len(list_cases(named, ABDOMEN)) == 3


def test_what_is_left_out_is_counted_and_listed_in_the_log(
    tmp_path: Path,
    amos: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = logging.getLogger("fedgin.data.adapter_cases")
    monkeypatch.setattr(own, "disabled", False)  # as other software's configuration may leave it
    with caplog.at_level(logging.INFO, logger=own.name):
        list_cases(site_of(tmp_path, "amos22", amos), ABDOMEN)
    assert (
        "site hospital: left out: 2 x a test image, whose label is not public: "
        "imagesTs/amos_0005.nii.gz, imagesTs/amos_0510.nii.gz"
    ) in caplog.messages


def test_an_unknown_data_set_names_the_nearest(tmp_path: Path) -> None:
    (problem,) = problems_of(lambda: site_of(tmp_path, "amos2", tmp_path), ConfigError)
    assert problem.where.endswith("key 'dataset.adapter.name'")
    assert "did you mean 'amos22'?" in problem.rule


@pytest.mark.parametrize(
    ("name", "modality", "task", "class_count"),
    [
        ("totalsegmentator_ct", "CT", "abdomen", 6),
        ("totalsegmentator_ct", "CT", "heart", 1),
        ("amos22", "MR", "abdomen", 6),
        ("mmwhs", "CT", "heart", 1),
        ("btcv", "CT", "abdomen", 6),
        ("nnunet", "MR", "abdomen", 6),
    ],
)
def test_prepared_cases_hold_every_class(
    tmp_path: Path, name: str, modality: str, task: str, class_count: int
) -> None:
    site = site_of(tmp_path, name, TREES[name](tmp_path / name), modality=modality)
    prepared = prepare_site(site, settings_of(task))
    assert prepared.splits["train"]
    assert prepared.not_annotated == ()
    for cases in prepared.splits.values():
        for case in cases:
            assert set(np.unique(case.label)) == set(range(class_count + 1))


def test_the_whole_heart_of_mmwhs_is_the_union_of_its_parts(tmp_path: Path) -> None:
    root = mmwhs(tmp_path / "mmwhs")
    site = site_of(tmp_path, "mmwhs", root)
    case = next(c for c in list_cases(site, HEART) if c.name == "ct_train_1001")
    label = case.load().label.array
    assert 421 in label
    classes = site_label_map(site, settings_of("heart")).to_classes(label)
    parts = np.isin(label, (500, 600, 420, 421, 550, 205))
    np.testing.assert_array_equal(classes == 1, parts)
    assert not classes[(label == 820) | (label == 850)].any()
