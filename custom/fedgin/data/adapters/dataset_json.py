"""`dataset.json`, as the Medical Segmentation Decathlon, nnU-Net and others write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.data.adapters.base import LabelValue, Modality
from fedgin.data.adapters.names import structure_name
from fedgin.data.adapters.search import Search, subfolder
from fedgin.data.nifti import MAX_LABEL
from fedgin.errors import ConfigError, DataError, Problem

DATASET_JSON = "dataset.json"
_MR_CHANNELS = ("mr", "mri", "t1", "t2", "flair", "adc", "dwi", "pd", "cine", "bssfp", "lge")
_TUMOURS = ("cancer", "tumor", "tumour", "lesion", "cyst")


def read_dataset_json(root: Path) -> dict[str, Any]:
    """Reads the file below a root; what is no such file is refused as data.

    Raises:
        DataError: The file is missing, or no JSON within bounds.
    """
    try:
        return read_mapping(root / DATASET_JSON)
    except ConfigError as error:
        raise DataError(error.problems) from None


def is_decathlon(root: Path) -> bool:
    """Tells whether a folder is a task of the decathlon: its dataset.json lists the cases."""
    if not has_folders(root, "imagesTr", "labelsTr"):
        return False
    try:
        return "training" in read_dataset_json(root)
    except DataError:
        return True  # whoever reads it says what is wrong with it


def is_nnunet(root: Path) -> bool:
    """Tells whether a folder is nnU-Net's: its images' names end in a channel's number."""
    folder = subfolder(root, "imagesTr")
    if folder is None or not has_folders(root, "imagesTr"):
        return False
    return any("_0000." in path.name for path in (root / folder).iterdir())


def has_folders(root: Path, *names: str) -> bool:
    """Tells whether dataset.json and folders of these names, in any case, are there."""
    folders = all(subfolder(root, name) is not None for name in names)
    return folders and (root / DATASET_JSON).is_file()


def note_number(search: Search, content: Mapping[str, Any]) -> None:
    """Says where as many cases as dataset.json speaks of were not found to train on."""
    said = content.get("numTraining")
    if type(said) is int and said != search.n_cases:
        search.notes.append(
            f"Its dataset.json says numTraining {said}; images with labels: {search.n_cases}."
        )


def only_channel(content: Mapping[str, Any], key: str, where: str) -> str:
    """Returns the name of a data set's one channel.

    Args:
        content: What dataset.json holds.
        key: `channel_names` or, in older files, `modality`.
        where: The file, for errors.

    Raises:
        DataError: The key holds something else, or several channels.
    """
    channels = content.get(key)
    if not isinstance(channels, dict) or not all(isinstance(c, str) for c in channels.values()):
        rule = 'the key must hold the channels, such as {"0": "CT"}'
        place = f"{where}: key '{key}'"
        raise DataError(Problem(place, rule, repr(channels)[:120], "write them into the file"))
    if len(channels) != 1:
        rule = "an image must have one channel"
        found = ", ".join(map(repr, channels.values()))[:120] or "no channel"
        mend = "use a data set of one CT or MR image for each case, or list one channel as pairs"
        raise DataError(Problem(f"{where}: key '{key}'", rule, found, mend))
    return next(iter(channels.values()))


def modality_of(channel: str, where: str) -> Modality:
    """Tells CT from MR by a channel's name.

    Raises:
        DataError: The name is of neither.
    """
    words = structure_name(channel).split("_")
    if "ct" in words:
        return "CT"
    if any(word in _MR_CHANNELS or word.startswith(("t1", "t2")) for word in words):
        return "MR"
    rule = "the channel's name must say CT or MR (MRI, T1, T2, ...)"
    mend = "correct the name, or use the adapter 'folder' and name the modality yourself"
    raise DataError(Problem(where, rule, repr(channel), mend))


def label_values(content: Mapping[str, Any], where: str) -> dict[str, LabelValue]:
    """Returns the label values by structure name, in the tasks' names; background is left out.

    Both forms are read: names by value, and values by name.

    Raises:
        DataError: The key holds something else.
    """
    labels = content.get("labels")
    problems: list[Problem] = []
    values: dict[str, LabelValue] = {}
    rule = f"the key must hold values (0 to {MAX_LABEL}) by name, or names by value"
    mend = "correct the file"
    if not isinstance(labels, dict):
        place = f"{where}: key 'labels'"
        raise DataError(Problem(place, rule, repr(labels)[:120], mend))
    for key, entry in labels.items():
        name, value = _named(key, entry)
        if value is None or not name:
            place, found = f"{where}: key 'labels'", f"{key!r}: {entry!r}"[:120]
            problems.append(Problem(place, rule, found, mend))
        elif name in values:
            place = f"{where}: key 'labels'"
            problems.append(Problem(place, "a structure must stand once", f"'{name}' twice", mend))
        elif value != 0:
            values[name] = value
    if problems:
        raise DataError(problems)
    return values


def _named(key: str, entry: object) -> tuple[str, LabelValue | None]:
    """Reads one entry as a structure's name and its value or values; None where it is neither."""
    if isinstance(entry, str) and (value := _whole(key)) is not None and _whole(entry) is None:
        return structure_name(entry), value
    listed = [_whole(value) for value in (entry if isinstance(entry, list) else [entry])]
    whole = [value for value in listed if value is not None]
    if not listed or len(whole) < len(listed):
        return structure_name(key), None
    return structure_name(key), tuple(whole) if isinstance(entry, list) else whole[0]


def _whole(value: object) -> int | None:
    """Reads a label value, a number or its digits."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= len(str(MAX_LABEL)):
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_LABEL else None


def refuse_other_scheme(search: Search, labels: Mapping[str, LabelValue]) -> None:
    """Refuses a root whose own dataset.json gives other values than the data set is known for."""
    if not (search.root / DATASET_JSON).is_file():
        return
    where = str(search.root / DATASET_JSON)
    try:
        own = label_values(read_dataset_json(search.root), where)
    except DataError:
        search.notes.append("Its dataset.json could not be read as label names; it was not used.")
        return
    known = {value: name for name, value in labels.items()}
    other = [
        f"{value} is '{name}' there and '{known[value]}' here"
        for name, value in own.items()
        if value in known and name != known[value] and not _alike(name, known[value])
    ]
    if other:
        rule = "a data set must have one label scheme, the published one"
        mend = "unpack the data set anew, or write a site file of your own (kind: datalist)"
        search.refuse(Problem(where, rule, "; ".join(other[:5]), mend))


def _alike(name: str, other: str) -> bool:
    """Tells whether two names share a word, as `prostate` and `prostate_uterus` do."""
    return bool(set(name.split("_")) & set(other.split("_")) - {"left", "right"})


def note_tumours(search: Search, labels: Mapping[str, LabelValue]) -> None:
    """Says of tumours that they are no part of the organ that they lie in."""
    tumours = [name for name in labels if any(word in name for word in _TUMOURS)]
    if tumours:
        search.notes.append(
            f"{', '.join(tumours)}: a structure of its own here; where the organ is to be whole, "
            "add its value to the organ's list in `labels`."
        )
