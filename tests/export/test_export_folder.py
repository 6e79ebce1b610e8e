"""The export's folder: whole or not there, hashed, and never in place of a user's files."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from fedgin.export.folder import HASHES_FILE, new_folder, write_text
from fedgin.export.formats import ExportError


def fill(out: Path, *, force: bool = False, text: str = "one") -> None:
    with new_folder(out, force=force) as folder:
        (folder / "below").mkdir()
        write_text(folder / "below/a.txt", text)


def test_every_file_has_its_hash_and_the_folder_is_the_user_s(tmp_path: Path) -> None:
    fill(tmp_path / "new/out")
    out = tmp_path / "new/out"
    digest = hashlib.sha256(b"one").hexdigest()
    assert (out / HASHES_FILE).read_text() == f"{digest}  below/a.txt\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half"), new_folder(tmp_path / "out", force=False) as new:
        write_text(new / "a.txt", "one")
        raise ValueError("half")
    assert not any(tmp_path.iterdir())


def test_an_earlier_export_stays_without_force_and_where_writing_fails(tmp_path: Path) -> None:
    fill(tmp_path / "out")
    with pytest.raises(ExportError, match="replace an export by --force"):
        fill(tmp_path / "out", text="two")
    with pytest.raises(ValueError, match="half"), new_folder(tmp_path / "out", force=True):
        raise ValueError("half")
    assert (tmp_path / "out/below/a.txt").read_text() == "one"
    fill(tmp_path / "out", force=True, text="two")
    assert (tmp_path / "out/below/a.txt").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_takes_no_file_that_no_export_wrote(tmp_path: Path) -> None:
    fill(tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"that no export wrote, such as notes.txt"):
        fill(tmp_path / "out", force=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "scan.nii").write_text("mine")
    with pytest.raises(ExportError, match=r"scan.nii"):
        fill(other, force=True)
    assert (other / "scan.nii").read_text() == "mine"
    (tmp_path / "out/notes.txt").unlink()
    (tmp_path / "out/link").symlink_to(other)
    with pytest.raises(ExportError, match="such as link"):
        fill(tmp_path / "out", force=True)


def test_an_empty_folder_is_filled_and_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty")
    assert (tmp_path / "empty" / HASHES_FILE).is_file()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="found a file"):
        fill(tmp_path / "file", force=True)


def test_a_folder_made_meanwhile_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(ExportError), new_folder(tmp_path / "out", force=False):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/mine").write_text("mine")
    assert (tmp_path / "out/mine").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
