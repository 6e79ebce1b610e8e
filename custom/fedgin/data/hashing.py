"""Content hashes of files, remembered so that an unchanged file is read once only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from fedgin.files import write_atomically

CHUNK = 1 << 20


class FileHashes:
    """SHA-256 of files, kept in a folder and valid while size and modification time stay."""

    def __init__(self, folder: Path) -> None:
        """Remembers hashes in this folder, which is made when first needed."""
        self._folder = folder

    def of(self, path: Path) -> str:
        """Returns the SHA-256 of a file's bytes as hexadecimal text.

        Raises:
            OSError: The file cannot be read.
        """
        return self._kept(_identity(path), lambda: _sha256(path))

    def of_all(self, files: Sequence[tuple[str, Path]]) -> str:
        """Returns one SHA-256 of the contents of several files, as of a series of slices.

        Args:
            files: The files, each with a text that counts as part of its content. Their order
                does not count, nor do their paths.

        Raises:
            OSError: A file cannot be read.
        """

        def compute() -> str:
            contents = sorted([text, _sha256(path)] for text, path in files)
            return hashlib.sha256(json.dumps(contents).encode()).hexdigest()

        return self._kept(sorted([text, *_identity(path)] for text, path in files), compute)

    def _kept(self, identity: object, compute: Callable[[], str]) -> str:
        """Returns what is remembered of files, or computes and remembers it."""
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        memo = self._folder / name
        try:
            return memo.read_text(encoding="ascii")
        except OSError:
            digest = compute()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(memo, digest.encode("ascii"))
            return digest


def _identity(path: Path) -> list[str | int]:
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
