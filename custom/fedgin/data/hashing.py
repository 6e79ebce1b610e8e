"""Content hashes of files, remembered so that an unchanged file is read once only."""

from __future__ import annotations

import hashlib
import json
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
        status = path.stat()
        identity = [str(path.resolve()), status.st_size, status.st_mtime_ns]
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        memo = self._folder / name
        try:
            return memo.read_text(encoding="ascii")
        except OSError:
            digest = _sha256(path)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(memo, digest.encode("ascii"))
            return digest


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
