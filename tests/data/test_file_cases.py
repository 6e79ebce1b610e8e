"""A site's lists and patterns lead to files below its data root only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from site_files import make_site, problems_of

from fedgin.data.sources import Case, list_cases
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.tasks import get_task


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.nii").touch()
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def cases_of(root: Path, **dataset: Any) -> list[Case]:
    site = make_site(root.parent, dataset={"root": str(root), **dataset}, labels={"heart": 1})
    return list_cases(site, get_task("heart"))


def refused(root: Path, **dataset: Any) -> tuple[Problem, ...]:
    return problems_of(lambda: cases_of(root, **dataset), DataError)


PAIRS = [
    {"image": "../outside/a.nii", "label": "ok.nii"},
    {"image": "ok.nii", "label": "/etc/passwd"},
    {"image": "fine.nii", "label": "fine.nii"},
    {"image": "a\0.nii", "label": "~/b.nii"},
]


def test_all_bad_paths_of_a_sites_file_are_listed(root: Path) -> None:
    problems = refused(root, kind="pairs", cases=[PAIRS[0], PAIRS[1], PAIRS[2]])
    file = root.parent / "hospital.yaml"
    assert [problem.where for problem in problems] == [
        f"{file}: key 'dataset.cases.0.image'",
        f"{file}: key 'dataset.cases.1.label'",
    ]


def test_all_bad_paths_of_a_datalist_are_listed(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({"training": PAIRS, "test": PAIRS[:1]}))
    problems = refused(root, kind="datalist", file="dataset.json")
    assert [problem.where.removeprefix(f"{root}/dataset.json: ") for problem in problems] == [
        "training[0].image",
        "training[1].label",
        "training[3].image",
        "training[3].label",
        "test[0].image",
    ]


def test_entries_may_be_absolute_below_the_root(root: Path) -> None:
    pair = {"image": str(root / "im" / "a.nii"), "label": "./la/a.nii"}
    (case,) = cases_of(root, kind="pairs", cases=[pair])
    assert (case.name, case.image, case.label) == ("a", root / "im/a.nii", root / "la/a.nii")  # type: ignore[attr-defined]


@pytest.mark.parametrize("file", ["../dataset.json", "/etc/hosts", "out.json"])
def test_the_datalist_itself_lies_below_the_root(root: Path, file: str) -> None:
    (root / "out.json").symlink_to(root.parent / "outside" / "a.nii")
    (problem,) = refused(root, kind="datalist", file=file)
    assert problem.where == f"{root.parent / 'hospital.yaml'}: key 'dataset.file'"


@pytest.mark.parametrize("pattern", ["../outside/*.nii", "im/../../outside/*.nii", "/etc/*"])
def test_a_pattern_that_leaves_the_root_is_refused(root: Path, pattern: str) -> None:
    for keys in ({"images": pattern, "labels": "*.nii"}, {"images": "*.nii", "labels": pattern}):
        problems_of(lambda keys=keys: cases_of(root, kind="glob", **keys), ConfigError)  # type: ignore[misc]


def test_files_found_behind_links_that_leave_the_root_are_refused(root: Path) -> None:
    (root / "im").symlink_to(root.parent / "outside")
    (root / "la").mkdir()
    (problem,) = refused(root, kind="glob", images="im/*.nii", labels="la/*.nii")
    assert problem.where == str(root / "im/a.nii")
    assert "leads out of it" in problem.found


def test_links_within_the_root_are_followed(root: Path) -> None:
    (root / "store").mkdir()
    (root / "store" / "x").touch()
    for name in ("im", "la"):
        (root / name).mkdir()
        (root / name / "a.nii").symlink_to("../store/x")
    (case,) = cases_of(root, kind="glob", images="im/*.nii", labels="la/*.nii")
    assert case.name == "a"


def test_a_name_that_would_write_into_the_log_is_refused(root: Path) -> None:
    (root / "a\nERROR forged.nii").touch()
    (problem,) = refused(root, kind="glob", images="*.nii", labels="la/*.nii")
    assert problem.found == "control character U+000A at place 2"
    assert "forged" not in str(problem)
