"""Looking for known numbers in files, as whoever holds the files could."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

RUN = 8
"""Neighbouring values that must all be there before a finding counts."""


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Reads every file below a folder, and what is in those that are archives."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield from _unpacked(str(file.relative_to(folder)), file.read_bytes())


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _unpacked(f"{name}!{member}", archive.read(member))


def find_values(
    folder: Path, weights: Mapping[str, np.ndarray], *, tolerance: float = 1e-6
) -> dict[str, list[str]]:
    """Finds files that hold a run of an array's values as float32 or float64, at any offset.

    Args:
        folder: Where to look.
        weights: Arrays by name; the first `RUN` values of each are looked for.
        tolerance: Largest difference: the same weights, computed in another way, are found too.

    Returns:
        By file the arrays found.
    """
    known = {name: np.ravel(array)[:RUN].astype(np.float64) for name, array in weights.items()}
    # A run of zeros or ones is everywhere and tells nothing.
    known = {n: run for n, run in known.items() if len(run) == RUN and np.ptp(run) > 1e-3}
    assert known
    found: dict[str, list[str]] = {}
    for name, content in contents(folder):
        hits = {array for view in _views(content) for array in _hits(view, known, tolerance)}
        if hits:
            found[name] = sorted(hits)
    return found


def _views(content: bytes) -> Iterator[np.ndarray]:
    for dtype in (np.float32, np.float64):
        size = np.dtype(dtype).itemsize
        for offset in range(size):
            count = (len(content) - offset) // size
            if count >= RUN:
                yield np.frombuffer(content, dtype=dtype, count=count, offset=offset)


def _hits(view: np.ndarray, known: Mapping[str, np.ndarray], tolerance: float) -> Iterator[str]:
    with np.errstate(all="ignore"):
        starts = view[: 1 - RUN]
        for name, run in known.items():
            for at in np.flatnonzero(np.abs(starts - run[0]) < tolerance):
                if np.allclose(view[at : at + RUN], run, rtol=0, atol=tolerance):
                    yield name
                    break


def secret_pieces(client_context: bytes, server_context: bytes) -> list[bytes]:
    """Cuts pieces out of a site's context that the server's does not have.

    Args:
        client_context: With the secret key.
        server_context: Without.
    """
    starts = range(0, len(client_context) - 48, 509)
    pieces = [client_context[start : start + 48] for start in starts]
    own = [piece for piece in pieces if piece not in server_context]
    assert len(own) > 100
    return own


def hold_any(folder: Path, pieces: list[bytes]) -> list[str]:
    """Names the files that hold one of the pieces."""
    return [name for name, content in contents(folder) if any(piece in content for piece in pieces)]
