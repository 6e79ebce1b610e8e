"""Decoding slices one by one into the one volume that they make up."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from fedgin.data.dicom.codestream import check_compressed
from fedgin.data.dicom.frames import Frame
from fedgin.data.dicom.instance import Instance
from fedgin.data.dicom.stream import opened
from fedgin.errors import DataError, Problem


def decode(
    frames: Sequence[Frame], instances: Mapping[Path, Instance], shape: tuple[int, int]
) -> np.ndarray:
    """Decodes slices and applies slope and intercept of each.

    The memory is that of the volume and of one slice.

    Args:
        frames: The slices in their order; those of a file follow one another in any order.
        instances: The headers by file.
        shape: Rows and columns.

    Returns:
        Intensities, float32, shape (columns, rows, slices).

    Raises:
        DataError: Files are cut off or damaged, or voxels are not finite; all are listed.
    """
    slices = np.empty((len(frames), *shape), dtype=np.float32)
    problems: list[Problem] = []
    place = 0
    for path, group in itertools.groupby(frames, key=lambda frame: frame.path):
        members = list(group)
        try:
            _fill(slices[place : place + len(members)], members, instances[path])
        except DataError as error:
            problems += error.problems
        place += len(members)
    if problems:
        raise DataError(problems)
    return slices.transpose(2, 1, 0)


def _fill(slices: np.ndarray, frames: Sequence[Frame], instance: Instance) -> None:
    from pydicom.pixels import iter_pixels
    from pydicom.uid import UID

    with opened(instance.path) as stream, ExitStack() as stack:
        if UID(instance.syntax).is_compressed:
            check_compressed(
                stream,
                instance.path,
                start=instance.size - instance.pixel_bytes,
                frames=len(instance.frames),
                shape=instance.shape,
                frame_bytes=instance.frame_bytes,
            )
        indices = [frame.index for frame in frames]
        stored = stack.enter_context(closing(iter_pixels(stream, indices=indices, raw=True)))
        for place, (frame, pixels) in enumerate(zip(frames, stored, strict=True)):
            if pixels.shape != instance.shape:
                rule, mend = "a frame must have the size that its header states", "export it again"
                found = f"{pixels.shape}, stated {instance.shape}"
                raise DataError(Problem(str(instance.path), rule, found, mend))
            slope, intercept = frame.scaling
            with np.errstate(over="ignore", invalid="ignore"):
                slices[place] = stored_values(pixels, instance) * slope + intercept
    bad = int(np.count_nonzero(~np.isfinite(slices)))
    if bad:
        rule, mend = "every voxel of an image must be finite in float32", "export it again"
        raise DataError(Problem(str(instance.path), rule, f"{bad} voxels are not", mend))


def stored_values(pixels: np.ndarray, instance: Instance) -> np.ndarray:
    """Returns the samples' numbers, float64, from the bits that are in use.

    MONOCHROME1 says that large values are shown dark. HU are absolute, so that CT stays as it is;
    intensities of other modalities are turned over within the range of their bits.
    """
    used = instance.bits[1]
    mask = (1 << used) - 1
    values = pixels.astype(np.int64) & mask
    if instance.signed:
        sign = 1 << (used - 1)
        values = (values ^ sign) - sign
    if instance.inverted and instance.modality != "CT":
        # Lowest and highest value that the bits can hold, added.
        values = (-1 if instance.signed else mask) - values
    return values.astype(np.float64)
