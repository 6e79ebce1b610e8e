"""Paths confined to a folder: the table of the audit, and what a refusal says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgin.audit.path_rows import BAD, GOOD
from fedgin.audit.path_table import make_root
from fedgin.confined import ConfinedFolder, confined_path, name_fault
from fedgin.errors import DataError, Problem


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("paths"))


def refusal(action: Callable[[], object]) -> Problem:
    with pytest.raises(DataError) as caught:
        action()
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_bad_path_is_refused(root: Path, name: str) -> None:
    problem = refusal(lambda: confined_path(root, name.format(root=root), where="list: image"))
    assert problem.where == "list: image"
    assert problem.rule and problem.found and problem.mend


@pytest.mark.parametrize("name", GOOD, ids=ascii)
def test_a_good_path_is_accepted_and_stays_within_the_root(root: Path, name: str) -> None:
    name = name.format(root=root)
    found = confined_path(root, name, where="list")
    assert found == root / os.path.normpath(name)
    assert Path(os.path.realpath(found)).is_relative_to(root.resolve())


@pytest.mark.parametrize(
    ("name", "rule", "found"),
    [
        ("../anna.nii", "must not lead upwards", "'..'"),
        ("/home/anna.nii", "must lie below the folder", "an absolute path elsewhere"),
        ("anna\n.nii", "visible characters", "control character U+000A at place 5"),
        ("\\\\anna\\a.nii", "one of this system's", "a backslash"),
        ("~anna/a.nii", "one of this system's", "'~' at the beginning"),
        ("file:anna.nii", "one of this system's", "a URL or a drive letter"),
        ("anna" * 300, "at most 1024 bytes", "1200 bytes"),
        ("anna" * 70, "at most 255 bytes", "one of 280 bytes"),
        ("anna.", "may end in '.'", "such a part"),
    ],
)
def test_a_refusal_names_the_fault_and_no_patient(
    root: Path, name: str, rule: str, found: str
) -> None:
    problem = refusal(lambda: confined_path(root, name, where="list"))
    assert rule in problem.rule
    assert found in problem.found
    assert "anna" not in str(problem)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("out.nii", "a symbolic link that leads out of it"),
        ("sibling.nii", "a symbolic link that leads out of it"),
        ("loop1.nii", "symbolic links in a circle"),
        ("pipe.nii", "a pipe"),
        ("socket.nii", "a socket"),
        ("im", "a folder"),
    ],
)
def test_what_a_path_leads_to_is_named(root: Path, name: str, found: str) -> None:
    assert refusal(lambda: confined_path(root, name, where="list")).found == found


def test_a_link_that_is_turned_later_is_seen_at_the_next_look(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    folder, link = ConfinedFolder(tmp_path / "root"), tmp_path / "root" / "a.nii"
    link.symlink_to("b.nii")
    assert folder.file("a.nii", where="list") == link
    link.unlink()
    link.symlink_to("/etc/passwd")
    assert "leads out" in refusal(lambda: folder.file("a.nii", where="list")).found


def test_a_root_may_be_relative_or_the_whole_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert confined_path(Path("data"), "a.nii", where="x") == Path("data/a.nii")
    absolute = str(tmp_path / "data" / "a.nii")
    assert confined_path(Path("data"), absolute, where="x") == Path("data/a.nii")
    assert confined_path(Path("/"), absolute, where="x") == Path(absolute)


def test_a_name_is_judged_without_a_file() -> None:
    assert name_fault("im/*.nii.gz") is None
    assert name_fault("../*.nii.gz") == ("a path must not lead upwards", "'..'")


# ---------------------------------------------------------------- folders


def test_a_folder_may_end_in_a_slash_and_be_the_root(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    folder = ConfinedFolder(tmp_path)
    assert folder.folder("a/b/", where="list") == tmp_path / "a" / "b"
    assert folder.folder(".", where="list") == tmp_path
    assert folder.folder("none", where="list") == tmp_path / "none"


def test_what_is_no_folder_or_leaves_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "file").touch()
    (root / "out").symlink_to(tmp_path)
    folder = ConfinedFolder(root)
    for name, found in (
        ("file", "a file"),
        ("out", "a symbolic link that leads out of it"),
        ("../root/a", "'..'"),
        (str(tmp_path), "an absolute path elsewhere"),
        ("", "an empty text"),
    ):
        problem = refusal(lambda name=name: folder.folder(name, where="list"))  # type: ignore[misc]
        assert problem.found == found, name
    assert refusal(lambda: folder.file("a", where="list")).found == "a folder"
