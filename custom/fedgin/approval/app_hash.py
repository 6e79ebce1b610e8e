"""The hash of an app: what a site's officer approves, and the site computes before a launch."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fedgin.errors import ApprovalError, Problem

HEADER = b"fedgin app hash 1\0"
FILE, FOLDER = b"F", b"D"
SIGNATURES = frozenset({".__nvfl_sig.json", ".__nvfl_submitter.crt"})
"""Files that FLARE adds to every folder of a submitted job, others with each submission."""
_BLOCK = 1 << 20


def app_hash(folder: Path) -> str:
    """Computes the SHA-256 over all that an app holds.

    The hashed bytes are a header, then for each file and folder below the app, in the order of
    their paths as bytes: a letter for its kind, the length of its path (8 bytes, big-endian), the
    path with `/`, and for a file the SHA-256 of its content. No two different apps give the same
    bytes. Left out are files with FLARE's two names of signatures, which change with each
    submission and which Python cannot import; times and permissions, which FLARE does not keep.

    Args:
        folder: The app: the folder that holds `config` and perhaps `custom`.

    Returns:
        64 hexadecimal digits.

    Raises:
        ApprovalError: The folder is none, or something in it is neither file nor folder, such as
            a symbolic link; all are listed.
    """
    digest = hashlib.sha256(HEADER)
    for path, kind in _entries(folder):
        digest.update(kind + len(path).to_bytes(8, "big") + path)
        if kind == FILE:
            digest.update(_content_hash(folder / os.fsdecode(path)))
    return digest.hexdigest()


def _entries(folder: Path) -> list[tuple[bytes, bytes]]:
    """Lists path and kind of everything below a folder, in order of the paths."""
    if folder.is_symlink() or not folder.is_dir():
        raise ApprovalError(_odd(folder, "no folder"))
    entries: list[tuple[bytes, bytes]] = []
    problems: list[Problem] = []
    for entry, path in _walk(folder, b""):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            entries.append((path, FOLDER))
        elif not stat.S_ISREG(mode):
            problems.append(_odd(folder / os.fsdecode(path), _kind(mode)))
        elif entry.name not in SIGNATURES:
            entries.append((path, FILE))
    if problems:
        raise ApprovalError(problems)
    return sorted(entries)


def _walk(folder: Path, above: bytes) -> Iterator[tuple[os.DirEntry[str], bytes]]:
    """Yields everything below a folder with its path from the top; follows no link."""
    with os.scandir(folder) as found:
        for entry in found:
            path = above + os.fsencode(entry.name)
            yield entry, path
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, path + b"/")


def _content_hash(file: Path) -> bytes:
    """Hashes a file's content, a block at a time; a link put in its place is not followed."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def _odd(path: Path, found: str) -> Problem:
    return Problem(
        str(path),
        "an app holds files and folders, nothing else",
        found,
        "put a file in its place, or take it out of the job",
    )


def _kind(mode: int) -> str:
    return "a symbolic link" if stat.S_ISLNK(mode) else f"a {stat.filemode(mode)[0]!r} entry"
