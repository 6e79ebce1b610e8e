"""Inflating gzip files: the same bytes as Python's own module, and no time for tricks."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
import zlib

import numpy as np
import pytest

from fedgin.data.gzip_stream import MAX_MEMBERS, GzipStream

NOISE = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


def stream(content: bytes) -> GzipStream:
    return GzipStream(io.BytesIO(content))


def whole(content: bytes, *, size: int = 1 << 16) -> bytes:
    source, read = stream(content), b""
    while piece := source.read(size):
        read += piece
    return read


@pytest.mark.parametrize("size", [1000, 65536, 10**7])
@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(NOISE, mtime=0),
        gzip.compress(bytes(10**6), mtime=0) + gzip.compress(NOISE, mtime=0),
        gzip.compress(b"", mtime=0) * 3 + gzip.compress(NOISE, mtime=0) + bytes(70_000),
        gzip.compress(NOISE, mtime=0) + bytes(5) + gzip.compress(b"x", mtime=0),
        b"",
    ],
)
def test_bytes_are_those_of_pythons_own_module(content: bytes, size: int) -> None:
    assert whole(content, size=size) == gzip.decompress(content)


def test_a_read_gives_all_that_it_was_asked_for() -> None:
    source = stream(gzip.compress(NOISE[:50], mtime=0) + gzip.compress(NOISE[50:], mtime=0))
    assert source.read(200_000) == NOISE[:200_000]
    assert source.read(10**6) == NOISE[200_000:]
    assert source.read(1) == b""


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (gzip.compress(NOISE, mtime=0)[:-1], EOFError, "within a member"),
        (gzip.compress(NOISE, mtime=0)[:5], EOFError, "within a member"),
        (b"\x1f", gzip.BadGzipFile, "Not a gzipped file"),
        (b"plain", gzip.BadGzipFile, "Not a gzipped file"),
        (gzip.compress(NOISE, mtime=0) + b"junk", gzip.BadGzipFile, "Not a gzipped file"),
        (gzip.compress(NOISE, mtime=0)[:-8] + bytes(8), zlib.error, "incorrect data check"),
        (gzip.compress(NOISE, mtime=0)[:-4] + bytes(4), zlib.error, "incorrect length check"),
    ],
)
def test_damage_is_told(content: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        whole(content)


def test_a_name_of_many_megabytes_costs_no_time() -> None:
    # Python's gzip module reads it byte by byte: seconds.
    member = gzip.compress(b"x", mtime=0)
    content = member[:3] + b"\x08" + member[4:10] + b"n" * 2**25 + b"\0" + member[10:]
    start = time.process_time()
    assert whole(content) == b"x"
    assert time.process_time() - start < 1


def test_empty_members_are_counted() -> None:
    content = gzip.compress(b"", mtime=0) * (MAX_MEMBERS + 1)
    tracemalloc.start()
    with pytest.raises(gzip.BadGzipFile, match="members"):
        whole(content)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
