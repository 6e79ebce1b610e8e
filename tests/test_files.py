"""Atomic writing: a reader sees the old file or the new one, and nothing is left behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import IO

import pytest

from fedgin.files import PRIVATE, SHARED, write_atomically


def test_bytes_and_functions_are_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "b", lambda file: file.write(b"two"))
    assert (tmp_path / "a").read_bytes() == b"one"
    assert (tmp_path / "b").read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a longer old text")
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def fails(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        raise kind("stop")

    with pytest.raises(kind, match="stop"):
        write_atomically(tmp_path / "a", fails)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_interrupted_first_write_leaves_nothing(tmp_path: Path) -> None:
    def fails(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "a", fails)
    assert list(tmp_path.iterdir()) == []


def test_the_name_is_free_until_the_file_is_whole(tmp_path: Path) -> None:
    seen = []

    def content(file: IO[bytes]) -> None:
        file.write(b"x" * 100_000)
        file.flush()
        seen.append((tmp_path / "a").exists())

    write_atomically(tmp_path / "a", content)
    assert seen == [False]
    assert (tmp_path / "a").stat().st_size == 100_000


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "a", b"x")


def test_a_name_as_long_as_the_system_allows_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_readers_never_see_half_of_a_file_that_two_writers_replace(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"0" * 50_000)

    def write(digit: bytes) -> None:
        for _ in range(20):
            write_atomically(path, digit * 50_000)

    writers = [threading.Thread(target=write, args=(digit,)) for digit in (b"1", b"2")]
    for writer in writers:
        writer.start()
    contents = set()
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        contents.add((len(content), len(set(content))))
    for writer in writers:
        writer.join()
    assert contents <= {(50_000, 1)}
    assert path.read_bytes() in (b"1" * 50_000, b"2" * 50_000)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("mode", "expected"), [(PRIVATE, 0o600), (SHARED, 0o644)])
def test_a_file_has_the_permissions_asked_for(mode: int, expected: int, tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"content", mode=mode)
    assert (tmp_path / "file").stat().st_mode & 0o777 == expected


def test_a_file_is_private_unless_told_otherwise(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
