"""nnU-Net's raw data: dataset.json, images with a channel number, labels without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedgin.data.adapters.base import FoundData, LabelValue, Modality, Split
from fedgin.data.adapters.dataset_json import (
    DATASET_JSON,
    is_decathlon,
    is_nnunet,
    label_values,
    modality_of,
    note_number,
    note_tumours,
    only_channel,
    read_dataset_json,
)
from fedgin.data.adapters.root import begin
from fedgin.data.adapters.search import NO_LABEL, NiftiFile, Search, subfolder
from fedgin.errors import DataError, Problem

_FIRST_CHANNEL = re.compile(r"(.+)_0000")
_IGNORE = "ignore"


class NnUnet:
    """A folder of nnUNet_raw, version 2 or 1, with one channel and NIfTI files."""

    name = "nnunet"
    title = "nnU-Net raw data set"
    source = "https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md"
    modalities = "CT or MR"
    form = "label maps"
    layout: tuple[str, ...] = (
        "dataset.json with channel_names, labels and file_ending",
        "imagesTr/<case>_0000.nii.gz, labelsTr/<case>.nii.gz",
        "imagesTs/<case>_0000.nii.gz (test; labelsTs/ where it is there)",
    )

    def find(self, root: Path) -> FoundData:
        """Finds the cases; see `Adapter.find`.

        Raises:
            DataError: As there, or dataset.json is wrong.
        """
        search = begin(self, root, is_nnunet, instead=_instead)
        where = str(root / DATASET_JSON)
        content = read_dataset_json(root)
        # Version 1 called the channels "modality".
        key = "channel_names" if "channel_names" in content else "modality"
        modality = modality_of(only_channel(content, key, where), where)
        _check_ending(content.get("file_ending", ".nii.gz"), where)
        labels = _own_values(search, label_values(content, where))
        measured = subfolder(root, "labelsTs") is not None
        _part(search, ("imagesTr", "labelsTr"), modality, "train" if measured else None)
        note_number(search, content)
        _part(search, ("imagesTs", "labelsTs"), modality, "test")
        search.rest()
        note_tumours(search, labels)
        return replace(search.found(labels=labels), ignored=_ignored(content, where))


def _ignored(content: Mapping[str, Any], where: str) -> tuple[int, ...]:
    """Returns the values that mean "not annotated"."""
    entry = label_values(content, where).get(_IGNORE, ())
    return (entry,) if isinstance(entry, int) else entry


def _check_ending(ending: object, where: str) -> None:
    if not isinstance(ending, str) or ending.casefold() not in (".nii.gz", ".nii"):
        rule = "the files must be NIfTI: .nii.gz or .nii"
        mend = "convert the images and labels to NIfTI, and change the key"
        raise DataError(Problem(f"{where}: key 'file_ending'", rule, repr(ending), mend))


def _own_values(search: Search, labels: Mapping[str, LabelValue]) -> dict[str, LabelValue]:
    """Leaves out regions that overlap others, and what stands for "not annotated"."""
    kept: dict[str, LabelValue] = {}
    taken: set[int] = set()
    for name, entry in labels.items():
        values = {entry} if isinstance(entry, int) else set(entry) - {0}
        if name == _IGNORE:
            search.notes.append(
                f"Value {entry} is nnU-Net's ignore label, which means 'not annotated': volumes "
                f"that hold it are refused, unless `--other {entry}` takes it for background."
            )
        elif values & taken:
            search.notes.append(
                f"'{name}' ({', '.join(map(str, sorted(values)))}) overlaps a region above and is "
                "left out: its voxels count as that."
            )
        else:
            kept[name] = entry if isinstance(entry, int) else tuple(sorted(values))
            taken |= values
    return kept


def _part(
    search: Search, folders: tuple[str, str], modality: Modality, split: Split | None
) -> None:
    """Adds the cases of the training or the test folders."""
    images, labels = (
        search.nifti(found) if (found := subfolder(search.root, name)) is not None else {}
        for name in folders
    )
    first: dict[str, NiftiFile] = search.keyed(
        images, _FIRST_CHANNEL, reason="no first channel of an image (<case>_0000)"
    )
    no_label = "a test image without a label" if split == "test" else NO_LABEL
    for _, image, label in search.matched(first, labels, no_label=no_label):
        search.add(
            label.stem,
            modality=modality,
            image=image.path,
            label=label.path,
            split=split,
        )


def _instead(root: Path) -> tuple[str, str] | None:
    if not is_decathlon(root):
        return None
    found = "images without a channel number (_0000), and dataset.json with the key 'training'"
    return found, "use the adapter 'msd'"
