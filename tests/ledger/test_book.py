"""The ledger's file: private, complete after every entry, and no line can be changed unseen."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgin.errors import ConfigError, DataError
from fedgin.ledger.book import append, ledger_file, read, read_all

ANSWER = {"site": "here", "job": "j1", "event": "answer", "task": "train", "bytes": 7}


def write(file: Path, count: int) -> None:
    for number in range(count):
        append(file, {**ANSWER, "round": number + 1})


def test_entries_come_back_in_order_from_a_private_file(tmp_path: Path) -> None:
    file = ledger_file(tmp_path / "new" / "folder", "here")
    write(file, 5)
    book = read(file)
    assert [entry.round for entry in book.entries] == [1, 2, 3, 4, 5]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_each_line_holds_the_sha256_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "a.ledger.jsonl"
    write(file, 3)
    lines = file.read_bytes().splitlines()
    assert json.loads(lines[0])["previous"] == "0" * 64
    for before, after in itertools.pairwise(lines):
        assert json.loads(after)["previous"] == hashlib.sha256(before).hexdigest()
    assert read(file).head == hashlib.sha256(lines[-1]).hexdigest()


def changed(lines: list[bytes]) -> None:
    lines[1] = lines[1].replace(b'"bytes":7', b'"bytes":6')


def removed(lines: list[bytes]) -> None:
    del lines[1]


def inserted(lines: list[bytes]) -> None:
    lines.insert(1, lines[1])


def swapped(lines: list[bytes]) -> None:
    lines[1], lines[2] = lines[2], lines[1]


def no_entry(lines: list[bytes]) -> None:
    lines[3] = b'{"hello": 1}\n'


@pytest.mark.parametrize("edit", [changed, removed, inserted, swapped, no_entry])
def test_a_line_that_was_changed_is_found(
    edit: Callable[[list[bytes]], None], tmp_path: Path
) -> None:
    file = tmp_path / "a.ledger.jsonl"
    write(file, 5)
    lines = file.read_bytes().splitlines(keepends=True)
    edit(lines)
    file.write_bytes(b"".join(lines))
    with pytest.raises(DataError, match=r"line [234]"):
        read(file)


def test_after_a_line_that_was_cut_off_the_next_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.ledger.jsonl"
    write(file, 2)
    file.write_bytes(file.read_bytes()[:-20])  # the writer was killed
    append(file, ANSWER)
    with pytest.raises(DataError) as caught:
        read(file)
    assert [problem.where for problem in caught.value.problems] == [f"{file}: line 2"]
    # What is whole can be read all the same.
    assert len(read_all(file).entries) == 2


def test_a_long_last_line_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "a.ledger.jsonl"
    counts = {f"topic {n}": {"messages": n, "bytes": n} for n in range(10_000)}
    append(file, {"site": "h", "job": "j", "event": "messages", "messages": {"wire": counts}})
    write(file, 1)
    assert len(read(file).entries) == 2


def test_processes_that_write_at_once_keep_the_chain(tmp_path: Path) -> None:
    file = tmp_path / "a.ledger.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(file, 25)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read(file).entries) == 100


def test_an_entry_of_another_form_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "a.ledger.jsonl"
    write(file, 1)
    with pytest.raises(ConfigError, match="rond"):
        append(file, {**ANSWER, "rond": 1})
    assert len(read(file).entries) == 1


def test_a_link_in_the_ledger_s_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.ledger.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        append(tmp_path / "a.ledger.jsonl", ANSWER)
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none"):
        read(tmp_path / "none")
