"""Tasks of the Medical Segmentation Decathlon, each with its dataset.json."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from fedgin.data.adapters.base import FoundData, Modality
from fedgin.data.adapters.dataset_json import (
    DATASET_JSON,
    has_folders,
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
from fedgin.data.adapters.search import NO_IMAGE, NO_LABEL, NiftiFile, Search, nifti_stem, subfolder
from fedgin.errors import Problem


class Msd:
    """A task of the decathlon whose images have one channel, such as Task09_Spleen."""

    name = "msd"
    title = "Medical Segmentation Decathlon, one task"
    source = "arXiv 2106.05735; http://medicaldecathlon.com"
    modalities = "CT or MR"
    form = "label maps"
    layout: tuple[str, ...] = (
        "dataset.json with modality, labels and training",
        "imagesTr/spleen_2.nii.gz, labelsTr/spleen_2.nii.gz",
        "imagesTs/ (test, without labels)",
    )

    def find(self, root: Path) -> FoundData:
        """Finds the cases that dataset.json lists for training; see `Adapter.find`.

        Raises:
            DataError: As there, or dataset.json is wrong.
        """
        search = begin(self, root, is_decathlon, instead=_instead)
        where = str(root / DATASET_JSON)
        content = read_dataset_json(root)
        modality = modality_of(only_channel(content, "modality", where), where)
        labels = label_values(content, where)
        _listed(search, content, where, modality)
        note_number(search, content)
        search.rest()
        note_tumours(search, labels)
        return search.found(labels=labels)


def _listed(search: Search, content: dict[str, Any], where: str, modality: Modality) -> None:
    """Adds the listed cases whose files are there; the folders' other files are left out."""
    images, labels = (_files(search, name) for name in ("imagesTr", "labelsTr"))
    entries = content.get("training")
    if not isinstance(entries, list):
        place, rule = f"{where}: key 'training'", "the key must hold a list"
        search.refuse(Problem(place, rule, repr(entries)[:120], "correct the file"))
        return
    listed: set[str] = set()
    for number, entry in enumerate(entries):
        keys = _keys(entry)
        if keys is None:
            place, rule = f"{where}: training[{number}]", "an entry must hold image and label"
            search.refuse(Problem(place, rule, repr(entry)[:120], "correct the entry"))
            continue
        listed |= set(keys)
        image, label = images.get(keys[0]), labels.get(keys[1])
        if image is not None and label is not None:
            search.add(image.stem, modality=modality, image=image.path, label=label.path)
        elif image is not None:
            search.leave_out(image.path, NO_LABEL)
        else:
            search.leave_out(entry["image"][:200], "an image of dataset.json that is not there")
            if label is not None:
                search.leave_out(label.path, NO_IMAGE)
    for key, file in (images | labels).items():
        if key not in listed:
            search.leave_out(file.path, "not in dataset.json")
    for file in _files(search, "imagesTs").values():
        search.leave_out(file.path, "a test image, whose label is not public")


def _files(search: Search, name: str) -> dict[str, NiftiFile]:
    """Lists a folder's files by their path below the root in lower case, suffix left out."""
    folder = subfolder(search.root, name)
    if folder is None:
        return {}
    files = search.nifti(folder)
    return {f"{name.casefold()}/{stem}": file for stem, file in files.items()}


def _keys(entry: object) -> tuple[str, str] | None:
    """Returns the keys of an entry's two files, as `_files` has them."""
    names = (entry.get("image"), entry.get("label")) if isinstance(entry, dict) else ()
    texts = [PurePosixPath(name).as_posix() for name in names if isinstance(name, str)]
    keys = [(nifti_stem(text) or text).casefold() for text in texts]  # "./" has fallen away
    return (keys[0], keys[1]) if len(keys) == 2 else None


def _instead(root: Path) -> tuple[str, str] | None:
    if not is_nnunet(root):
        if not has_folders(root, "imagesTr", "labelsTr"):
            return None
        found = "dataset.json without the key 'training'"
        return found, "add the list of images and labels, or use the adapter 'folder'"
    found = "dataset.json without the key 'training', images called <case>_0000 as nnU-Net's are"
    return found, "use the adapter 'nnunet'"
