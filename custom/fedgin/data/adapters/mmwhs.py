"""MM-WHS 2017: whole hearts in CT and MR with their chambers."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from fedgin.data.adapters.base import FoundData, LabelValue, Modality
from fedgin.data.adapters.root import begin
from fedgin.data.adapters.search import NO_LABEL, NiftiFile, Search, bare_name, names_in

_FOLDER = re.compile(r"(ct|mr)_(train|test)\d?", re.IGNORECASE)
_IMAGE = re.compile(r"((?:ct|mr)_.+)_image", re.IGNORECASE)
_LABEL = re.compile(r"((?:ct|mr)_.+)_label", re.IGNORECASE)
LABELS: MappingProxyType[str, LabelValue] = MappingProxyType(
    {
        "left_ventricle": 500,
        "right_ventricle": 600,
        "left_atrium": (420, 421),  # 421 occurs where 420 is meant
        "right_atrium": 550,
        "myocardium": 205,
        "aorta": 820,
        "pulmonary_artery": 850,
    }
)


class MmWhs:
    """20 CT and 20 MR volumes of different patients with seven structures of the heart.

    The whole heart is the union of its parts: the four cavities and the myocardium, see
    `fedgin.tasks.HEART_PARTS`.
    """

    name = "mmwhs"
    title = "MM-WHS 2017, multi-modality whole heart segmentation"
    source = (
        "Zhuang and Shen, Medical Image Analysis 31 (2016), 77-87; "
        "https://zmiclab.github.io/zxh/0/mmwhs"
    )
    modalities = "CT, MR"
    form = "label maps"
    layout: tuple[str, ...] = (
        "ct_train/ct_train_1001_image.nii.gz, ct_train/ct_train_1001_label.nii.gz",
        "mr_train/mr_train_1001_image.nii.gz, mr_train/mr_train_1001_label.nii.gz",
        "ct_test/, mr_test/ (without labels)",
    )

    def find(self, root: Path) -> FoundData:
        """Finds the cases of both modalities; see `Adapter.find`.

        Raises:
            DataError: As there.
        """
        search = begin(self, root, _fits)
        folders = _part_folders(root)
        for folder in folders:
            _part(search, folder)
        search.rest()
        search.notes.append(
            "The whole heart is the union of left and right ventricle, left and right atrium and "
            "myocardium; 421 is read as 420 (left atrium)."
        )
        return search.found(labels=LABELS)


def _part(search: Search, folder: str) -> None:
    files = search.nifti(folder)
    images: dict[str, NiftiFile] = {}
    labels: dict[str, NiftiFile] = {}
    for stem, file in files.items():
        for pattern, found in ((_IMAGE, images), (_LABEL, labels)):
            if match := pattern.fullmatch(stem):
                found[match.group(1)] = file
                break
        else:
            search.leave_out(file.path, "the name shows no MM-WHS file (ct_train_1001_image)")
    test = "test" in folder.casefold()
    no_label = "a test image, whose label is not public" if test else NO_LABEL
    for key, image, label in search.matched(images, labels, no_label=no_label):
        modality: Modality = "CT" if key.startswith("ct_") else "MR"
        name = bare_name(image.stem, _IMAGE)
        search.add(name, modality=modality, image=image.path, label=label.path)


def _part_folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    names = (name for name in names_in(root) if _FOLDER.fullmatch(name))
    return [name for name in names if (root / name).is_dir()]


def _fits(root: Path) -> bool:
    return any("train" in name.casefold() for name in _part_folders(root))
