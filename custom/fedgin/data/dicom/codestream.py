"""The size that a compressed frame states itself, read before a decoder reserves memory for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedgin.data.dicom.stream import Within
from fedgin.errors import DataError, Problem
from fedgin.files import MIB

_JPEG, _JPEG_2000, _JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  "
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Start of frame of JPEG (ITU-T T.81, table B.1) and of JPEG-LS (T.87, SOF55)."""
_SCAN, _END = 0xDA, 0xD9
_ELEMENT_BYTES = 12
"""Of a pixel element's tag, kind and length, where it is compressed (PS3.5, annex A.4)."""
MAX_GROWTH = 2
"""Run-length codes state no size; no writer lets them grow further than this."""


def check_compressed(
    stream: Within,
    path: Path,
    *,
    start: int,
    frames: int,
    shape: tuple[int, int],
    frame_bytes: int,
) -> None:
    """Refuses compressed frames that would become larger than the header states.

    Args:
        stream: The open file.
        path: The file, for messages.
        start: Position of the pixel element.
        frames: Frames that the header states.
        shape: Rows and columns that the header states.
        frame_bytes: Bytes of an uncompressed frame.

    Raises:
        DataError: A frame states another size, or has far more bytes than uncompressed.
    """
    from pydicom.encaps import generate_frames

    stream.seek(start + _ELEMENT_BYTES)
    rule, mend = "a compressed frame must have the size that the header states", "export it again"
    for frame in generate_frames(stream, number_of_frames=frames):
        size = stated_size(frame)
        if size is not None and size != shape:
            found = f"{size[0]} rows, {size[1]} columns compressed; "
            found += f"{shape[0]} rows, {shape[1]} columns stated"
        elif size is None and len(frame) > MAX_GROWTH * frame_bytes + MIB // 16:
            found = f"{len(frame)} bytes for {frame_bytes} uncompressed"
        else:
            continue
        raise DataError(Problem(str(path), rule, found, mend))


def stated_size(frame: bytes) -> tuple[int, int] | None:
    """Reads rows and columns from a JPEG, JPEG-LS or JPEG 2000 frame.

    Args:
        frame: The compressed frame.

    Returns:
        The size; None where the bytes state none.
    """
    if frame.startswith(_JPEG):
        return next(_jpeg_sizes(frame), None)
    start = frame.find(_JPEG_2000, 0, 4096) if frame.startswith(_JP2_BOX) else 0
    if start >= 0 and frame.startswith(_JPEG_2000, start) and len(frame) >= start + 24:
        # After the marker: length and capabilities, then Xsiz, Ysiz, XOsiz, YOsiz (T.800, A.5.1).
        width, height, left, top = (
            int.from_bytes(frame[place : place + 4], "big")
            for place in range(start + 8, start + 24, 4)
        )
        return height - top, width - left
    return None


def _jpeg_sizes(frame: bytes) -> Iterator[tuple[int, int]]:
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:  # fill bytes
            place += 1
            continue
        if marker in (_SCAN, _END):
            return
        if marker in _FRAME_MARKERS:
            rows = int.from_bytes(frame[place + 5 : place + 7], "big")
            yield rows, int.from_bytes(frame[place + 7 : place + 9], "big")
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
