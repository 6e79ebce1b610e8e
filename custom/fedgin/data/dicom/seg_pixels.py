"""Decoding a segmentation frame by frame, in the memory of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fedgin.data.dicom.codestream import check_compressed
from fedgin.data.dicom.stream import Within, opened
from fedgin.data.dicom.tags import syntax_of, whole
from fedgin.errors import DataError, Problem


def seg_frames(path: Path, segmentation: Any, wanted: Sequence[int]) -> Iterator[np.ndarray]:
    """Yields frames of a segmentation.

    Args:
        path: The SEG file.
        segmentation: Its data set without pixels, of a transfer syntax that was checked.
        wanted: Numbers of the frames, from 0.

    Returns:
        Stored values, shape (rows, columns).

    Raises:
        DataError: The file is cut off or damaged.
        TagError: Elements of the pixels are missing.
    """
    from pydicom import dcmread
    from pydicom.pixels import iter_pixels

    shape = (whole(segmentation, "Rows"), whole(segmentation, "Columns"))
    bits = whole(segmentation, "BitsAllocated")
    syntax = syntax_of(segmentation)
    with opened(path) as stream:
        dcmread(stream, stop_before_pixels=True, specific_tags=["Rows"])
        start = stream.tell()
        if bits == 1 and not syntax.is_compressed:
            # Tag and length precede the value; if explicit, its kind as well (PS3.5, 7.1).
            yield from _unpacked(
                stream, start + (8 if syntax.is_implicit_VR else 12), shape, wanted
            )
            return
        if syntax.is_compressed:
            check_compressed(
                stream,
                path,
                start=start,
                frames=whole(segmentation, "NumberOfFrames", default=1),
                shape=shape,
                frame_bytes=shape[0] * shape[1] * max(bits, 8) // 8,
            )
        with closing(iter_pixels(stream, indices=wanted, raw=True)) as decoded:
            for pixels in decoded:
                if pixels.shape != shape:
                    rule = "a frame must have the size that its header states"
                    found, mend = f"{pixels.shape}, not {shape}", "export it again"
                    raise DataError(Problem(str(path), rule, found, mend))
                yield pixels


def _unpacked(
    stream: Within, start: int, shape: tuple[int, int], wanted: Sequence[int]
) -> Iterator[np.ndarray]:
    """Unpacks bits, the lowest of a byte first; frames follow one another without padding."""
    size = shape[0] * shape[1]
    for index in wanted:
        first = index * size
        stream.seek(start + first // 8)
        data = stream.read((first % 8 + size + 7) // 8)
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        if bits.size < first % 8 + size:
            raise OSError(f"the file ends before frame {index + 1}")
        yield bits[first % 8 :][:size].reshape(shape)
