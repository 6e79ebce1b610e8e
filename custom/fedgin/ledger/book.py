"""The ledger's file: lines are added and never changed, and each holds the hash of the one before.

The chain shows a line that was changed, removed or put in between. It does not show that the last
lines are gone, nor that somebody wrote the whole file anew: note the hash that `fedgin ledger`
prints, or copy the file, if that matters.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.config import parse
from fedgin.documents import parse_json
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.files import open_regular
from fedgin.ledger.entry import Entry

FIRST = "0" * 64
SUFFIX = ".ledger.jsonl"
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class LedgerFile:
    """A ledger as it was read.

    Attributes:
        entries: All entries.
        head: SHA-256 of the last line, which a reader may note.
        problems: Lines that are no entries, or do not follow from those before.
    """

    entries: tuple[Entry, ...]
    head: str
    problems: tuple[Problem, ...] = ()


def ledger_file(folder: Path, site: str) -> Path:
    """Returns the path of a site's ledger in a folder."""
    return folder / f"{site}{SUFFIX}"


def append(file: Path, values: Mapping[str, Any]) -> Entry:
    """Adds an entry and waits until it is on the disk; its folder is made, for the user alone.

    Args:
        file: The ledger.
        values: The entry without `time` and `previous`.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
        ConfigError: A value breaks the entry's schema.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)  # several jobs may write at once
        last = _last_line(opened)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        full = {
            **values,
            "time": now,
            "previous": _hash(last) if last else FIRST,
        }
        entry = parse(Entry, full, where=str(file))
        line = entry.model_dump_json(exclude_none=True).encode() + b"\n"
        if last and not last.endswith(b"\n"):
            line = b"\n" + line  # the line before was cut off when its writer was killed
        _write_whole(opened.fileno(), line)
        os.fsync(opened.fileno())
    return entry


def read(file: Path) -> LedgerFile:
    """Reads a ledger whose chain is whole.

    Raises:
        DataError: The file cannot be read, or it has problems; all are listed.
    """
    book = read_all(file)
    if book.problems:
        raise DataError(book.problems)
    return book


def read_all(file: Path) -> LedgerFile:
    """Reads a ledger and checks its chain; what can be read of a broken one is there too.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with open_regular(file) as opened:
            fcntl.flock(opened, fcntl.LOCK_SH)  # not while a line is being written
            lines = opened.read().splitlines()
    except OSError as error:
        raise DataError(_problem(str(file), error.strerror or "unreadable")) from None
    entries: list[Entry] = []
    problems: list[Problem] = []
    previous = FIRST
    for number, line in enumerate(lines, 1):
        where = f"{file}: line {number}"
        try:
            entry = parse(Entry, parse_json(line), where=where)
        except (ValueError, ConfigError):
            problems.append(_problem(where, "no entry of a ledger"))
        else:
            entries.append(entry)
            if entry.previous != previous:
                problems.append(_problem(where, "an entry that does not follow the one before"))
        previous = _hash(line)
    return LedgerFile(entries=tuple(entries), head=previous, problems=tuple(problems))


def _problem(where: str, found: str) -> Problem:
    return Problem(
        where,
        "a ledger's lines are whole and unchanged, each with the hash of the one before",
        found,
        "compare with a copy, and find out who wrote to the file; a line that is cut off belongs "
        "to a process that was killed",
    )


def _hash(line: bytes) -> str:
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def _last_line(opened: Any) -> bytes:
    """Returns the last line with its end, or nothing of an empty file."""
    end = opened.seek(0, os.SEEK_END)
    size = min(_TAIL_BYTES, end)
    while True:
        opened.seek(end - size)
        tail: bytes = opened.read(size)
        start = tail[:-1].rfind(b"\n")
        if start >= 0 or size == end:
            return tail[start + 1 :]
        size = min(size * 2, end)


def _write_whole(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]
