"""What a site's patterns do not take in is told, and what its file excludes is left out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_files import make_site, problems_of, save

from fedgin.data.beside import NO_FIT, files_beside
from fedgin.data.prepare import prepare_site
from fedgin.data.sources import list_cases
from fedgin.errors import ConfigError, DataError
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site
from fedgin.tasks import get_task

HEART = get_task("heart")


def make_cases(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        generator = np.random.default_rng(number)
        image = generator.integers(-1000, 300, (12, 12, 6)).astype(np.float32)
        label = np.zeros((12, 12, 6), np.uint8)
        label[3:9, 3:9, 1:5] = 1
        save(root / "images" / f"{name}.nii.gz", image)
        save(root / "labels" / f"{name}.nii.gz", label)


def glob_site(folder: Path, **dataset: Any) -> Site:
    patterns = {"images": "images/*.nii.gz", "labels": "labels/*.nii.gz"}
    content = {"kind": "glob", "root": str(folder / "data"), **patterns, **dataset}
    return make_site(folder, dataset=content, labels={"heart": 1})


def left(site: Site) -> dict[str, str]:
    return {one.path: one.reason for one in files_beside(site)}


def test_files_that_no_pattern_takes_in_are_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "data"
    make_cases(root, "c0", "c1", "c2")
    (root / "images/c1.nii.gz").rename(root / "images/C1.NII.GZ")
    (root / "images/notes.txt").touch()
    site = glob_site(tmp_path)
    assert left(site) == {
        "images/C1.NII.GZ": NO_FIT,
        "labels/c1.nii.gz": "a label file without an image",
    }
    with caplog.at_level(logging.WARNING):
        prepare_site(site, make_settings(task="heart"))
    assert f"site hospital: left out: 1 x {NO_FIT}: images/C1.NII.GZ" in caplog.text
    assert "1 x a label file without an image: labels/c1.nii.gz" in caplog.text


def test_a_star_may_stand_for_folders(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for path in ("a/ct.nii.gz", "a/seg.nii.gz", "b/CT.nii.gz", "b/seg.nii.gz", "c/d/ct.nii.gz"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    site = glob_site(tmp_path, images="*/ct.nii.gz", labels="*/seg.nii.gz")
    assert left(site) == {
        "b/CT.nii.gz": NO_FIT,
        "b/seg.nii.gz": "a label file without an image",
    }


def test_excluded_cases_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_cases(tmp_path / "data", "c0", "c1", "c2")
    (tmp_path / "data/images/c1.nii.gz").write_bytes(b"damaged")
    site = glob_site(tmp_path, exclude=["c1"])
    with caplog.at_level(logging.INFO):
        prepared = prepare_site(site, make_settings(task="heart"))
    names = [case.name for cases in prepared.splits.values() for case in cases]
    assert sorted(names) == ["c0", "c2"]
    assert left(site) == {}
    assert "site hospital: 1 cases excluded by its file: c1" in caplog.text


def test_a_scan_under_two_patients_in_two_splits_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "data"
    make_cases(root, "anna", "bert", "carl")
    copy = (root / "images/anna.nii.gz").read_bytes()
    (root / "images/carl.nii.gz").write_bytes(copy)
    dataset = glob_site(tmp_path).config.dataset.model_dump()
    for split, warned in (
        ({"by": "patient", "train": ["anna", "bert"], "validation": ["carl"]}, True),
        ({"by": "patient", "train": ["anna", "carl"], "validation": ["bert"]}, False),
    ):
        caplog.clear()
        site = make_site(tmp_path, dataset=dataset, labels={"heart": 1}, split=split)
        prepare_site(site, make_settings(task="heart"))
        assert ("anna (train), carl (validation)" in caplog.text) is warned


def test_a_case_whose_name_shows_no_patient_may_be_excluded(tmp_path: Path) -> None:
    make_cases(tmp_path / "data", "p1_a", "p2_a", "phantom")
    site = glob_site(tmp_path, patient=r"^(p\d+)_")
    (problem,) = problems_of(lambda: list_cases(site, HEART), DataError)
    assert problem.found == "'phantom'"
    assert "'dataset.exclude'" in problem.mend
    site = glob_site(tmp_path, patient=r"^(p\d+)_", exclude=["phantom"])
    assert [case.patient for case in list_cases(site, HEART)] == ["p1", "p2"]


def test_an_excluded_case_must_be_there_and_one_must_remain(tmp_path: Path) -> None:
    make_cases(tmp_path / "data", "c0", "c1")
    site = glob_site(tmp_path, exclude=["c01", "c0"])
    (problem,) = problems_of(lambda: list_cases(site, HEART), ConfigError)
    assert problem.where.endswith("key 'dataset.exclude'")
    assert problem.found == "'c01' (did you mean 'c1'?)"
    everything = glob_site(tmp_path, exclude=["c0", "c1"])
    (problem,) = problems_of(lambda: list_cases(everything, HEART), DataError)
    assert problem.found == "all are excluded"
