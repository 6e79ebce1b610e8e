"""A plain folder of image and label pairs, in two folders or by the ends of their names."""

from __future__ import annotations

import re
from pathlib import Path

from fedgin.data.adapters.base import FoundData, Modality
from fedgin.data.adapters.dataset_json import (
    DATASET_JSON,
    label_values,
    note_tumours,
    read_dataset_json,
)
from fedgin.data.adapters.root import begin
from fedgin.data.adapters.search import NiftiFile, Search, bare_name, nifti_stem, subfolder

_IMAGES = ("images", "image", "imagesTr", "img", "imgs", "scans", "volumes")
_LABELS = ("labels", "label", "labelsTr", "masks", "mask", "segmentations", "seg", "segs", "gt")
_IMAGE_END = re.compile(r"(.+?)[_.-](?:image|img|0000)", re.IGNORECASE)
_LABEL_END = re.compile(r"(.+?)[_.-](?:label|labels|seg|segmentation|mask|gt)", re.IGNORECASE)
_CT, _MR = re.compile(r"(^|[_.-])ct([_.-]|$)"), re.compile(r"(^|[_.-])mri?([_.-]|$)")


class Folder:
    """Pairs of images and label maps whose names show what belongs together.

    The modality comes from the names (`ct_...`, `..._mr`), where they say it; else from the site's
    file or the command. Label names come from a dataset.json, where there is one.
    """

    name = "folder"
    title = "plain folder of image and label pairs"
    source = "the names of the files, and dataset.json where there is one"
    modalities = "CT or MR"
    form = "label maps"
    layout: tuple[str, ...] = (
        "images/<case>.nii.gz, labels/<case>.nii.gz",
        "or <case>_image.nii.gz, <case>_label.nii.gz in one folder (also _seg, _mask)",
        "dataset.json with labels, where there is one",
    )

    def find(self, root: Path) -> FoundData:
        """Finds the pairs; see `Adapter.find`.

        Raises:
            DataError: As there, or dataset.json is wrong.
        """
        search = begin(self, root, _fits)
        folders = _two_folders(root)
        if folders is None:
            images, labels = _by_ends(search)
        else:
            listed = [search.nifti(folder) for folder in folders]
            images, labels = _bare(listed[0], _IMAGE_END), _bare(listed[1], _LABEL_END)
            search.rest()
        for key, image, label in search.matched(images, labels):
            name = bare_name(image.stem, _IMAGE_END)
            name = name if name.casefold() == key else image.stem
            search.add(name, modality=_modality(image.stem), image=image.path, label=label.path)
        values = {}
        if (root / DATASET_JSON).is_file():
            values = label_values(read_dataset_json(root), str(root / DATASET_JSON))
            note_tumours(search, values)
        return search.found(labels=values)


def _two_folders(root: Path) -> tuple[str, str] | None:
    found = [
        next((name for kind in kinds if (name := subfolder(root, kind)) is not None), None)
        for kinds in (_IMAGES, _LABELS)
    ]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _bare(files: dict[str, NiftiFile], end: re.Pattern[str]) -> dict[str, NiftiFile]:
    """Names files by their stem without such an end, where all have it."""
    matches = {stem: end.fullmatch(stem) for stem in files}
    bare = {match.group(1): files[stem] for stem, match in matches.items() if match}
    return bare if len(bare) == len(files) else files


def _by_ends(search: Search) -> tuple[dict[str, NiftiFile], dict[str, NiftiFile]]:
    """Tells images and labels in one folder apart by the ends of their names."""
    files = search.nifti(".", recognise=False)
    labels = {m.group(1): file for stem, file in files.items() if (m := _LABEL_END.fullmatch(stem))}
    images: dict[str, NiftiFile] = {}
    taken = {file.path for file in labels.values()}
    for stem, file in files.items():
        if file.path not in taken:
            match = _IMAGE_END.fullmatch(stem)
            key = match.group(1) if match else stem
            images[key] = file
    search.rest([Path(file.path).name for file in files.values()])
    return images, labels


def _modality(stem: str) -> Modality | None:
    low = stem.casefold()
    ct, mr = bool(_CT.search(low)), bool(_MR.search(low))
    return None if ct == mr else "CT" if ct else "MR"


def _fits(root: Path) -> bool:
    if _two_folders(root) is not None:
        return True
    stems = [nifti_stem(path.name) for path in root.iterdir()]
    return any(stem is not None and _LABEL_END.fullmatch(stem.casefold()) for stem in stems)
