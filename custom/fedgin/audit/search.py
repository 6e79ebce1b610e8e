"""Looking for words in whatever files a folder holds, also in compressed and encoded form."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 1 << 28
"""Bytes that are unpacked of one file."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        files: Number of files read.
        bytes: Bytes read, before unpacking.
        places: By word the files, relative to the folder, that hold it in any form.
    """

    files: int
    bytes: int
    places: Mapping[str, tuple[str, ...]]

    @property
    def occurrences(self) -> int:
        """Number of pairs of a word and a file that holds it."""
        return sum(len(files) for files in self.places.values())


def search(folder: Path, words: Iterable[str]) -> Found:
    """Looks for words in a folder's files and in their names.

    Words are found in any case, as UTF-8, UTF-16, hexadecimal digits or base64, in files as they
    are, in gzip and zip archives, and in the chunks of PNG pictures wherever in a file they begin.

    Args:
        folder: The folder; links are not followed.
        words: ASCII words.
    """
    forms = {word: _forms(word) for word in words}
    places: dict[str, list[str]] = {word: [] for word in forms}
    files = total = 0
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        name, content = file.relative_to(folder).as_posix(), file.read_bytes()
        files, total = files + 1, total + len(content)
        parts = [name.encode("utf-8", "surrogateescape"), *unpacked(content)]
        lowered = [part.lower() for part in parts]
        for word, (plain, exact) in forms.items():
            if any(form in part for form in plain for part in lowered) or any(
                form in part for form in exact for part in parts
            ):
                places[word].append(name)
    return Found(files=files, bytes=total, places={w: tuple(f) for w, f in places.items()})


def unpacked(content: bytes, *, depth: int = 3) -> Iterator[bytes]:
    """Yields a file's content, and what is packed in it, to a depth."""
    yield content
    if depth == 0:
        return
    for part in (*_archives(content), *_chunks(content)):
        yield from unpacked(part, depth=depth - 1)


def _forms(word: str) -> tuple[list[bytes], list[bytes]]:
    """Returns the forms to look for in lower case, and those in which case matters."""
    raw = word.lower().encode("ascii")
    plain = [raw, word.lower().encode("utf-16-le"), raw.hex().encode()]
    plain.append(word.encode().hex().encode())
    exact = []
    for shift in range(3):
        # Base64 of a word depends on how many bytes stand before it; the ends depend on others.
        text = base64.b64encode(b"\0" * shift + word.encode("ascii"))
        exact.append(text[(0, 2, 3)[shift] : (len(word) + shift) * 8 // 6])
    return plain, exact


def _archives(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(io.BytesIO(content)) as packed:
                yield packed.read(MOST_BYTES)
        except (OSError, EOFError, zlib.error):
            pass  # not whole; its bytes were looked at as they are
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                yield member.filename.encode("utf-8", "surrogateescape")
                if member.compress_type != zipfile.ZIP_STORED:
                    with archive.open(member) as opened:
                        yield opened.read(MOST_BYTES)


def _chunks(content: bytes) -> Iterator[bytes]:
    """Yields what the compressed chunks of PNG pictures hold."""
    start = content.find(_PNG)
    while start >= 0:
        place, pixels = start + len(_PNG), b""
        while place + 8 <= len(content):
            length = int.from_bytes(content[place : place + 4], "big")
            kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
            if kind == b"IDAT":
                pixels += data
            elif kind in (b"zTXt", b"iTXt", b"iCCP"):
                # After the keyword and a few bytes comes the stream; its start is tried for.
                yield from (_inflated(data[offset:]) for offset in range(1, min(len(data), 120)))
            place += 12 + length
            if kind == b"IEND":
                break
        yield _inflated(pixels)
        start = content.find(_PNG, place)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MOST_BYTES)
    except zlib.error:
        return b""
