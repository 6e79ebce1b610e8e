"""What is said of a path that cannot be written: which option, why and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.outputs import (
    check_output_file,
    check_output_folder,
    check_replaceable,
    system_problem,
)

CLOSED = Path("/proc/self")
"""A folder that nobody can make a file in, the superuser neither."""

Check = Callable[..., None]


@pytest.mark.parametrize("name", ["", "new", "new/deep/er"])
def test_a_folder_that_can_be_made_is_accepted_and_nothing_stays(tmp_path: Path, name: str) -> None:
    check_output_folder(tmp_path / name, where="--out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_a_folder_that_is_there_is_accepted_and_nothing_stays(tmp_path: Path) -> None:
    check_output_file(tmp_path / "page.html", where="--html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "sub", "sub/sub"])
def test_a_file_in_a_folders_place_is_named(tmp_path: Path, below: str) -> None:
    taken = tmp_path / "afile"
    taken.write_text("mine")
    with pytest.raises(ConfigError) as caught:
        check_output_folder(taken / below, where="--out")
    (problem,) = caught.value.problems
    assert problem.where == "--out"
    assert f"'{taken / below}'" in problem.found
    assert str(taken) in problem.found
    assert os.strerror(errno.ENOTDIR) in problem.found
    assert "name another" in problem.mend
    assert taken.read_text() == "mine"


@pytest.mark.skipif(not CLOSED.is_dir(), reason="this system has no such folder")
@pytest.mark.parametrize("check", [check_output_folder, check_output_file])
def test_a_folder_that_cannot_be_written_is_named_with_the_reason(check: Check) -> None:
    with pytest.raises(ConfigError) as caught:
        check(CLOSED / "new", where="OUT")
    (problem,) = caught.value.problems
    assert problem.where == "OUT"
    assert problem.rule == "what is written needs a folder that can be written"
    assert f"'{CLOSED / 'new'}'" in problem.found
    assert f"at '{CLOSED}'" in problem.found


@pytest.mark.parametrize("name", ["", "missing/page.html"])
def test_a_file_needs_a_name_and_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--html: what is written needs"):
        check_output_file(tmp_path / name, where="--html")


@pytest.mark.parametrize(
    ("number", "rule", "mend"),
    [
        (errno.ENOSPC, "room", "free some"),
        (errno.EACCES, "allowed", "permissions"),
        (errno.EROFS, "allowed", "permissions"),
        (errno.ENOTDIR, "folder", "another path"),
        (errno.EEXIST, "folder", "another path"),
        (errno.ENOENT, "must exist", "check the path"),
        (errno.EIO, "the system", "see what the system says"),
    ],
)
def test_what_the_system_says_comes_with_a_rule_and_a_mend(
    number: int, rule: str, mend: str
) -> None:
    problem = system_problem(OSError(number, os.strerror(number), "/some/where"))
    assert problem.where == "/some/where"
    assert problem.found == os.strerror(number)
    assert rule in problem.rule
    assert mend in problem.mend


def test_an_error_without_a_file_is_told_too() -> None:
    assert str(system_problem(OSError("odd"))).startswith("a file: ")


@pytest.mark.parametrize("before", [None, "", "<html><title>Data check of a</title>"])
def test_a_report_may_be_new_or_replace_an_earlier_one(tmp_path: Path, before: str | None) -> None:
    file = tmp_path / "page.html"
    if before is not None:
        file.write_text(before)
    check_replaceable(file, where="--html", mark="<title>Data check of ")


def test_a_file_of_another_kind_is_not_replaced_by_a_report(tmp_path: Path) -> None:
    file = tmp_path / "thesis.html"
    file.write_text("<html><title>My thesis</title>")
    with pytest.raises(ConfigError) as caught:
        check_replaceable(file, where="--html", mark="<title>Data check of ")
    (problem,) = caught.value.problems
    assert problem.where == "--html"
    assert f"'{file}'" in problem.found
    assert "name another file" in problem.mend


def test_a_device_is_no_file_to_replace() -> None:
    with pytest.raises(ConfigError, match="a device or a pipe"):
        check_replaceable(Path(os.devnull), where="--html", mark="x")
