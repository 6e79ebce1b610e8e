"""A study's folder holds one study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedgin.errors import ConfigError
from fedgin.study.build import StudyRequest, define_study
from fedgin.study.definition import StudyDefinition
from fedgin.study.store import locked, open_folder


def define(folder: Path, **values: Any) -> StudyDefinition:
    return define_study(StudyRequest(**{"task": "heart", "folder": folder, **values}))


def test_a_new_folder_gets_the_sites_files(tmp_path: Path, repository: Path) -> None:
    definition = define(tmp_path / "new")
    open_folder(definition)
    for name in ("ct-arterial", "mr-t2"):
        copy = definition.sites_folder / f"{name}.yaml"
        original = repository / "site_configs" / "study" / f"{name}.yaml"
        assert copy.read_bytes() == original.read_bytes()


def test_the_same_study_may_grow(tmp_path: Path) -> None:
    open_folder(define(tmp_path, regimes=["local"], augmentations=["gin"]))
    open_folder(define(tmp_path, seeds=3))


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"task": "abdomen"}, "task"),
        ({"rounds": 2}, "rounds"),
        ({"overrides": {"learning_rate": 0.5}}, r"settings\.learning_rate"),
        ({"unseen": []}, r"unseen_sites\.ct-native"),
    ],
)
def test_another_study_is_refused_and_the_difference_named(
    values: dict[str, Any], key: str, tmp_path: Path
) -> None:
    open_folder(define(tmp_path))
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(ConfigError, match=f"{key}.*the folder holds another study"):
        open_folder(define(tmp_path, **values))
    assert (tmp_path / "study.json").read_bytes() == before


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="must be new, empty, or that of the same study"):
        open_folder(define(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="a study needs a folder"):
        open_folder(define(file))


def test_two_processes_cannot_run_one_study(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match="another is at work")
    with locked(tmp_path), refused, locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
