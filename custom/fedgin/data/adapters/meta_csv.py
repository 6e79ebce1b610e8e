"""`meta.csv`, in which TotalSegmentator's data sets name each subject's split."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from types import MappingProxyType

from fedgin.data.adapters.base import Split
from fedgin.data.adapters.search import Search, names_in
from fedgin.errors import DataError, Problem
from fedgin.files import MIB, read_bounded

META = "meta.csv"
_SPLITS: Mapping[str, Split] = MappingProxyType(
    {"train": "train", "val": "validation", "test": "test"}
)


def read_splits(search: Search) -> dict[str, Split] | None:
    """Reads meta.csv: subject -> split; None where there is no such file.

    Raises:
        DataError: It cannot be read, or is of another form.
    """
    path = search.root / META
    if not path.is_file():
        search.notes.append(f"There is no {META}, so the data set's own split is not known.")
        return None
    rule = f"{META} must have columns image_id and split, separated by semicolons"
    try:
        text = read_bounded(path, limit=16 * MIB).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or "bytes that are no UTF-8"
        raise DataError(Problem(str(path), rule, found, "unpack the file again")) from None
    reader = csv.DictReader(text.splitlines(), delimiter=";")
    splits: dict[str, Split] = {}
    try:
        columns = reader.fieldnames or []
        if not {"image_id", "split"} <= set(columns):
            found = ", ".join(columns)[:120] or "an empty file"
            raise DataError(Problem(str(path), rule, found, "unpack the file again"))
        for number, row in enumerate(reader, start=2):
            _take(row, splits, search, where=f"{path}: line {number}")
    except csv.Error as error:
        raise DataError(Problem(str(path), rule, str(error), "unpack the file again")) from None
    there = set(names_in(search.root))
    for subject in splits:
        if subject not in there:
            search.leave_out(subject[:200], f"a subject of {META} that is not there")
    return splits


def _take(
    row: Mapping[str, str | None], splits: dict[str, Split], search: Search, *, where: str
) -> None:
    """Takes a subject's split from a line of meta.csv."""
    subject, split = (row["image_id"] or "").strip(), (row["split"] or "").strip().lower()
    if split not in _SPLITS or not subject:
        rule, found = "a split must be train, val or test", f"'{subject}' in '{split}'"[:120]
        search.refuse(Problem(where, rule, found, "correct the line"))
    elif splits.setdefault(subject, _SPLITS[split]) != _SPLITS[split]:
        rule = "a subject must be in one split"
        search.refuse(Problem(where, rule, f"'{subject}' in two"[:120], "correct the file"))
