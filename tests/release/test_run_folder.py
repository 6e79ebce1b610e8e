"""A second training run destroys no earlier one's model unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.release.run_folder import RUN_ENTRIES, check_run_folder, clear_run_folder


@pytest.mark.parametrize("name", RUN_ENTRIES)
def test_whatever_a_run_left_is_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_bytes(b"model")
    with pytest.raises(ConfigError) as caught:
        check_run_folder(tmp_path, where="--out", force=False)
    (problem,) = caught.value.problems
    assert problem.where == "--out"
    assert name in problem.found
    assert "--force" in problem.mend
    check_run_folder(tmp_path, where="--out", force=True)
    assert (tmp_path / name).exists()  # the check itself removes nothing


def test_a_new_folder_or_one_with_other_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    check_run_folder(tmp_path, where="--out", force=False)
    check_run_folder(tmp_path / "new", where="--out", force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"--out: .*Not a directory"):
        check_run_folder(tmp_path / "file", where="--out", force=True)


def test_only_what_a_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/optimizer.pt").write_bytes(b"")
    (tmp_path / "best_model.pt").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    clear_run_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    clear_run_folder(tmp_path / "missing")
