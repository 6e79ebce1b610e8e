"""What a user says of the names in a data set: values of label maps, names of segments or masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fedgin.data.adapters.base import FoundData, LabelValue
from fedgin.errors import ConfigError, Problem
from fedgin.structure_words import nearest_structure

Given = Mapping[str, tuple[str, ...]]
"""What stands behind the `=` of each `--label STRUCTURE=...`, by structure."""
_MOST_DIGITS = 5


def label_values(given: Given) -> dict[str, LabelValue]:
    """Reads values of label maps, separated by commas.

    Raises:
        ConfigError: A structure stands twice, or something is no number.
    """
    labels: dict[str, LabelValue] = {}
    for name, texts in given.items():
        if len(texts) > 1:
            rule = "NAME=VALUE or NAME=VALUE,VALUE, each name once"
            raise ConfigError(Problem("--label", rule, f"'{name}={texts[1]}'", "write it so"))
        values = whole_numbers(texts[0], "--label")
        labels[name] = values[0] if len(values) == 1 else tuple(values)
    return labels


def whole_numbers(text: str, option: str) -> list[int]:
    """Reads label values that an option lists.

    Raises:
        ConfigError: Something is no number.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in parts):
        rule = "in label maps, structures have values: whole numbers, separated by commas"
        mend = "name the values; names are for SEG, RTSTRUCT and masks"
        raise ConfigError(Problem(option, rule, f"'{text}'", mend))
    return [int(part) for part in parts]


def renamed_masks(found: FoundData, given: Given) -> dict[str, tuple[str, ...]]:
    """Returns the names of the mask files by structure.

    Args:
        found: A data set of masks; a structure is called as its mask, where nothing is given.
        given: Names of masks by structure, upper and lower case alike.

    Raises:
        ConfigError: There are no such masks, or one stands for two structures; all are listed.
    """
    as_found = {name.casefold(): name for name in found.labels}  # as files are looked up
    given = {
        key: tuple(as_found.get(name.casefold(), name) for name in names)
        for key, names in given.items()
    }
    meaning = {name: key for key, names in given.items() for name in names}
    if problems := [*_unknown(found.labels, given), *_twice(given)]:
        raise ConfigError(problems)
    files: dict[str, tuple[str, ...]] = {}
    for name in found.labels:
        key = meaning.get(name, name)
        files[key] = (*files.get(key, ()), name)
    return files


def _unknown(masks: Collection[str], given: Given) -> list[Problem]:
    rule, mend = "every case must have a mask of this name", "write it as the files are called"
    return [
        Problem("--label", rule, f"'{name}' for '{key}' ({nearest_structure(name, masks)})", mend)
        for key, names in given.items()
        for name in names
        if name not in masks
    ]


def _twice(given: Given) -> list[Problem]:
    owner: dict[str, str] = {}
    return [
        Problem("--label", "a name stands for one structure", f"'{name}={text}'", "choose one")
        for name, texts in given.items()
        for text in texts
        if owner.setdefault(text, name) != name
    ]


def check_named_files(found: FoundData, other: Sequence[object], given: Given) -> None:
    """Refuses what only label maps have.

    Raises:
        ConfigError: Values are background, where files are named; or the data set's labels are
            slices of grey values, whose structures are its own.
    """
    if found.form == "nifti":
        return
    if other:
        rule = "--other is for label maps, whose values need names"
        raise ConfigError(Problem("--other", rule, f"form '{found.form}'", "leave it out"))
    if given and found.form == "dicom" and found.naming is None:
        rule = "the data set's own label names are used"
        raise ConfigError(Problem("--label", rule, ", ".join(given), "leave it out"))
