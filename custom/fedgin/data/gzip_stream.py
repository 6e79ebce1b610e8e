"""Inflating a .gz file piece by piece, in constant memory and in time that its size bounds.

Python's gzip module reads a name in the header byte by byte and starts anew for each of any number
of empty members; here zlib reads headers and checks sums, and the members are counted.
"""

from __future__ import annotations

import gzip
import zlib
from typing import BinaryIO

MAX_MEMBERS = 2**17
"""A block-compressed volume has one member for each 64 KiB: 8 GiB in all."""
_GZIP_WRAPPER = 31
_INPUT_BYTES = 2**16
_MAGIC = b"\x1f\x8b"


class GzipStream:
    """The uncompressed bytes of a gzip file of one or more members."""

    def __init__(self, file: BinaryIO) -> None:
        """Takes an open file, which stays the caller's to close."""
        self._file = file
        self._pending = b""
        self._inflate: zlib._Decompress | None = None
        self._members = 0

    def read(self, size: int) -> bytes:
        """Reads so many bytes, fewer only at the end.

        Raises:
            EOFError: The file ends within a member.
            gzip.BadGzipFile: What follows is no member, or there are too many.
            zlib.error: A member is damaged.
        """
        held = bytearray()
        while len(held) < size:
            piece = self._piece(size - len(held))
            if not piece:
                break
            held += piece
        return bytes(held)

    def _piece(self, size: int) -> bytes:
        while True:
            if self._inflate is None and not self._next_member():
                return b""
            assert self._inflate is not None
            data = self._pending or self._file.read(_INPUT_BYTES)
            piece = self._inflate.decompress(data, size)
            if self._inflate.eof:
                self._pending = self._inflate.unused_data
                self._inflate = None
            else:
                self._pending = self._inflate.unconsumed_tail
                if not data and not piece:
                    raise EOFError("the file ends within a member")
            if piece:
                return piece

    def _next_member(self) -> bool:
        """Starts on a member; says False at the file's end, which zeros may pad."""
        while True:
            if self._members:
                self._pending = self._pending.lstrip(b"\0")
            if len(self._pending) >= len(_MAGIC):
                break
            more = self._file.read(_INPUT_BYTES)
            if not more:
                break
            self._pending += more
        if not self._pending:
            return False
        if not self._pending.startswith(_MAGIC):
            raise gzip.BadGzipFile(f"Not a gzipped file ({self._pending[:2]!r})")
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise gzip.BadGzipFile(f"more than {MAX_MEMBERS} members")
        self._inflate = zlib.decompressobj(_GZIP_WRAPPER)
        return True
