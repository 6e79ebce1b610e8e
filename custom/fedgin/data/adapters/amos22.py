"""AMOS22: abdominal CT and MR, told apart by the case's number."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from fedgin.data.adapters.base import FoundData, Split
from fedgin.data.adapters.dataset_json import refuse_other_scheme
from fedgin.data.adapters.root import begin
from fedgin.data.adapters.search import NO_LABEL, Search, subfolder

_PARTS: tuple[tuple[str, str, Split], ...] = (
    ("imagesTr", "labelsTr", "train"),
    ("imagesVa", "labelsVa", "validation"),
    ("imagesTs", "labelsTs", "test"),
)
_CASE = re.compile(r"(amos_\d{1,6})")
_FIRST_MR = 500
LABELS = MappingProxyType(
    {
        "spleen": 1,
        "kidney_right": 2,
        "kidney_left": 3,
        "gallbladder": 4,
        "esophagus": 5,
        "liver": 6,
        "stomach": 7,
        "aorta": 8,
        "inferior_vena_cava": 9,
        "pancreas": 10,
        "adrenal_gland_right": 11,
        "adrenal_gland_left": 12,
        "duodenum": 13,
        "urinary_bladder": 14,
        "prostate_uterus": 15,
    }
)


class Amos22:
    """500 CT and 100 MR scans with 15 abdominal organs; test labels are not public."""

    name = "amos22"
    title = "AMOS22, abdominal multi-organ segmentation"
    source = "arXiv 2206.08023; readme and dataset.json of https://zenodo.org/records/7262581"
    modalities = "CT, MR"
    form = "label maps"
    layout: tuple[str, ...] = (
        "imagesTr/amos_0001.nii.gz, labelsTr/amos_0001.nii.gz (training)",
        "imagesVa/, labelsVa/ (validation)",
        "imagesTs/ (test, without labels)",
        "case number below 500: CT, else MR",
    )

    def find(self, root: Path) -> FoundData:
        """Finds the cases of both modalities; see `Adapter.find`.

        Raises:
            DataError: As there.
        """
        search = begin(self, root, _fits)
        for images, labels, split in _PARTS:
            self._part(search, images, labels, split)
        search.rest()
        refuse_other_scheme(search, LABELS)
        return search.found(labels=LABELS)

    def _part(self, search: Search, images: str, labels: str, split: Split) -> None:
        reason = "the name shows no AMOS22 case (amos_0001)"
        files = {}
        for kind in (images, labels):
            folder = subfolder(search.root, kind)
            found = {} if folder is None else search.nifti(folder)
            files[kind] = search.keyed(found, _CASE, reason=reason)
        no_label = "a test image, whose label is not public" if split == "test" else NO_LABEL
        for key, image, label in search.matched(files[images], files[labels], no_label=no_label):
            number = int(key.removeprefix("amos_"))
            search.add(
                image.stem,
                modality="CT" if number < _FIRST_MR else "MR",
                image=image.path,
                label=label.path,
                split=split,
            )


def _fits(root: Path) -> bool:
    folder = subfolder(root, "imagesTr") or subfolder(root, "imagesVa")
    if folder is None:
        return False
    return any(path.name.casefold().startswith("amos_") for path in (root / folder).iterdir())
