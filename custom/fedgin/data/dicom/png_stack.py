"""Labels as one PNG for each slice, as CHAOS has them: paired with the slices by their names."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedgin.confined import ConfinedFolder
from fedgin.data.dicom.listing import LISTED, quoted
from fedgin.data.dicom.series import Series
from fedgin.data.dicom.stream import reason
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem
from fedgin.files import MIB, read_bounded

MAX_PNG_BYTES = 64 * MIB
_GREY = ("1", "L", "I;16", "I")
_PAIRED = "every slice must have one PNG file of labels"
_MEND = "copy the missing files, or name the folder of this series' labels"


def read_png_stack(folder: Path, series: Series, *, within: Path | None = None) -> Volume:
    """Reads a folder of PNG files onto the grid of a series.

    A file belongs to the slice of the same name (a.dcm, a.png) or, where no name is the same, to
    the slice that is as far on in the order of names; numbers in names count as numbers. Rows and
    columns are those of the slice; its place in the volume is that of its header.

    Args:
        folder: The folder; files that are no PNG are left alone.
        series: The series, of one file for each slice.
        within: A folder that no link may leave; by default the folder itself.

    Returns:
        Grey values, uint8 or uint16; black and white of one bit are 0 and 1.

    Raises:
        DataError: Files and slices do not pair, or files are damaged, coloured or of another size;
            all are listed.
    """
    pairs = _pairs(folder, series)
    confined = ConfinedFolder(within or folder)
    columns, rows, slices = series.volume.array.shape
    labels = np.zeros((slices, rows, columns), dtype=np.uint16)
    problems: list[Problem] = []
    for place, path in enumerate(pairs):
        try:
            labels[place] = _read(confined.found(path, where=str(path)), (rows, columns))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    if int(labels.max()) < 256:
        labels = labels.astype(np.uint8)
    return Volume(array=labels.transpose(2, 1, 0), affine=series.volume.affine.copy())


def png_files(folder: Path) -> list[Path]:
    """Lists the PNG files of a folder, in the order of their names.

    Raises:
        DataError: There is no such folder.
    """
    if not folder.is_dir():
        rule, found = "labels must be a folder of PNG files", "no such folder"
        raise DataError(Problem(str(folder), rule, found, "correct the path"))
    found_files = (p for p in folder.iterdir() if p.suffix.lower() == ".png")
    return sorted((p for p in found_files if not p.name.startswith(".")), key=natural_key)


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sorts names such that 2 comes before 10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part.casefold())
        for part in re.split(r"(\d+)", path.stem)
    ]


def _pairs(folder: Path, series: Series) -> list[Path]:
    """Finds the PNG file of each slice, in the order of the slices."""
    files = png_files(folder)
    if len(series.files) != len(series.frames):
        found = "an image of many frames in one file"
        raise DataError(Problem(str(folder), _PAIRED, found, "use a series of one file a slice"))
    by_stem = {path.stem: path for path in files}
    same = [path for path in series.files if path.stem in by_stem]
    if len(files) != len(series.files) or (same and len(same) < len(series.files)):
        found = f"{len(files)} PNG files and {len(series.files)} slices, {len(same)} of one name"
        raise DataError(Problem(str(folder), _PAIRED, found + _unpaired(same, series), _MEND))
    if same:
        return [by_stem[path.stem] for path in series.files]
    ordered: Sequence[Path] = sorted(series.files, key=natural_key)
    by_slice = dict(zip(ordered, files, strict=True))
    return [by_slice[path] for path in series.files]


def _unpaired(same: Sequence[Path], series: Series) -> str:
    lonely = [path.name for path in series.files if path not in same]
    return f"; slices without: {quoted(lonely)}" if same and len(lonely) <= LISTED else ""


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    where = str(path)
    try:
        content = io.BytesIO(read_bounded(path, limit=MAX_PNG_BYTES))
        with Image.open(content, formats=["PNG"]) as png:
            fault = _fault(png.mode, (png.height, png.width), shape)
            if fault is None:
                values = np.asarray(png)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        rule, mend = "a PNG file must be complete and undamaged", "copy the file again"
        raise DataError(Problem(where, rule, reason(error), mend)) from None
    if fault is not None:
        raise DataError(Problem(where, *fault))
    if values.min() < 0 or values.max() > 65535:
        rule, mend = "grey values must be 0 to 65535", "export the labels again"
        raise DataError(Problem(where, rule, f"{values.min()} to {values.max()}", mend))
    return values.astype(np.uint16)


def _fault(mode: str, size: tuple[int, int], shape: tuple[int, int]) -> tuple[str, str, str] | None:
    """Finds what is wrong with a file, before its pixels are inflated."""
    if size != shape:
        rule = "a PNG file of labels must have the rows and columns of its slice"
        found = f"{size[0]} x {size[1]}, the slice {shape[0]} x {shape[1]}"
        return rule, found, _MEND
    if mode not in _GREY:
        rule = "a PNG file of labels must be grey"
        return rule, f"mode {mode}", "save it with one grey value for each structure"
    return None
