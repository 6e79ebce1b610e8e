"""TotalSegmentator's data sets: a folder for each subject, a mask for each structure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedgin.data.adapters.base import FoundData, Modality, Split
from fedgin.data.adapters.meta_csv import META, read_splits
from fedgin.data.adapters.root import begin
from fedgin.data.adapters.search import (
    DOCUMENTS,
    HIDDEN,
    NOT_IN_LAYOUT,
    Search,
    names_in,
    nifti_stem,
    subfolder,
)
from fedgin.errors import Problem
from fedgin.tasks import TASKS

_MASKS = "segmentations"
_LOOKED_AT = 200
"""Folders that are looked into before a root is recognised or not."""


@dataclass(frozen=True)
class _Subject:
    """A subject's files below the root, and the structures of its masks."""

    image: str
    masks: str
    structures: frozenset[str]


class _TotalSegmentator:
    """What both data sets share.

    Attributes:
        modality: What the images are.
        image: Stem of the image's name in each subject's folder.
    """

    name: str
    title: str
    source: str
    layout: tuple[str, ...]
    modalities: str
    form = "masks"
    modality: Modality
    image: str

    def find(self, root: Path) -> FoundData:
        """Finds the subjects; see `Adapter.find`.

        Every mask that all of them have is a structure, with the value of its place in the
        alphabet. A subject that lacks a mask which a task needs, and most others have, is left out.

        Raises:
            DataError: As there, or meta.csv cannot be read.
        """
        search = begin(self, root, self._fits)
        splits = read_splits(search)
        subjects = {
            name: subject
            for name in names_in(root)
            if (subject := self._subject(search, name, splits)) is not None
        }
        structures = {name: subject.structures for name, subject in subjects.items()}
        needed = _needed(structures)
        labels = _common(search, structures, needed)
        for name, subject in subjects.items():
            if lacking := [one for one in needed if one not in subject.structures]:
                search.leave_out(subject.masks, f"no mask of {', '.join(lacking)}")
                continue
            search.add(
                name,
                modality=self.modality,
                image=subject.image,
                label=subject.masks,
                split=None if splits is None else splits[name],
            )
        return search.found(labels=labels, form="masks")

    def _subject(
        self, search: Search, name: str, splits: Mapping[str, Split] | None
    ) -> _Subject | None:
        """Looks into a subject's folder; None where it is none, and notes why."""
        folder = search.root / name
        if name.startswith("."):
            search.leave_out(name, HIDDEN)
        elif not folder.is_dir():
            if name != META and not name.casefold().endswith(DOCUMENTS):
                search.leave_out(name, NOT_IN_LAYOUT)
        elif not (images := self._images(folder)):
            search.leave_out(name, f"a folder without {self.image}.nii.gz")
        elif len(images) > 1:
            rule, mend = "a subject must have one image", "remove the one that is out of date"
            search.refuse(Problem(str(folder), rule, " and ".join(images), mend))
        elif (masks := subfolder(folder, _MASKS)) is None:
            search.leave_out(name, "an image without a folder of masks (segmentations)")
        elif splits is not None and name not in splits:
            search.leave_out(name, f"a subject without a line in {META}")
        else:
            for other in names_in(folder):
                if other not in (images[0], masks):
                    reason = HIDDEN if other.startswith(".") else NOT_IN_LAYOUT
                    search.leave_out(f"{name}/{other}", reason)
            structures = _structures(search, f"{name}/{masks}")
            return _Subject(f"{name}/{images[0]}", f"{name}/{masks}", structures)
        return None

    def _images(self, folder: Path) -> list[str]:
        """Lists the files that could be a subject's image, in whatever case they are written."""
        return [
            name
            for name in names_in(folder)
            if (nifti_stem(name) or "").casefold() == self.image and (folder / name).is_file()
        ]

    def _fits(self, root: Path) -> bool:
        folders = [root / name for name in names_in(root) if not name.startswith(".")]
        return any(path.is_dir() and self._images(path) for path in folders[:_LOOKED_AT])


class TotalSegmentatorCt(_TotalSegmentator):
    """1,228 CT images (version 2) with 117 structures, a binary mask each."""

    name = "totalsegmentator_ct"
    title = "TotalSegmentator CT, version 2"
    source = "https://zenodo.org/records/10047292; arXiv 2208.05868"
    layout: tuple[str, ...] = (
        "s0001/ct.nii.gz",
        "s0001/segmentations/liver.nii.gz and a mask for each other structure",
        "meta.csv with image_id and split, separated by semicolons",
    )
    modality: Modality = "CT"
    modalities = "CT"
    image = "ct"


class TotalSegmentatorMr(_TotalSegmentator):
    """616 MR images (version 2) with 50 structures, a binary mask each.

    They differ from the CT set in the image's name, in fewer structures, and in a split without
    validation subjects.
    """

    name = "totalsegmentator_mr"
    title = "TotalSegmentator MR, version 2"
    source = "https://zenodo.org/records/14710732; arXiv 2405.19492"
    layout: tuple[str, ...] = (
        "s0001/mri.nii.gz",
        "s0001/segmentations/liver.nii.gz and a mask for each other structure",
        "meta.csv with image_id and split, separated by semicolons",
    )
    modality: Modality = "MR"
    modalities = "MR"
    image = "mri"


def _structures(search: Search, folder: str) -> frozenset[str]:
    """Lists the masks of a subject; a name that is there twice is refused when it is read."""
    stems = set()
    for name in names_in(search.root / folder):
        stem = nifti_stem(name)
        if name.startswith("."):
            search.leave_out(f"{folder}/{name}", HIDDEN)
        elif stem is None:
            search.leave_out(f"{folder}/{name}", "no .nii or .nii.gz file")
        else:
            stems.add(stem.casefold())
    return frozenset(stems)


def _needed(masks: Mapping[str, frozenset[str]]) -> list[str]:
    """Returns what a task needs of what most subjects have, in the tasks' order."""
    counts = Counter(name for found in masks.values() for name in found)
    wanted = dict.fromkeys(name for task in TASKS.values() for name in task.class_names)
    return [name for name in wanted if 2 * counts[name] > len(masks)]


def _common(
    search: Search, masks: Mapping[str, frozenset[str]], needed: list[str]
) -> dict[str, int]:
    """Numbers the structures of which every subject that is a case has a mask."""
    kept = [found for found in masks.values() if found.issuperset(needed)]
    everywhere = frozenset.intersection(*kept) if kept else frozenset()
    some = sorted(frozenset().union(*kept) - everywhere)
    if some:
        search.notes.append(
            "No structure of this site, because not every subject has its mask: " + ", ".join(some)
        )
    return {name: value for value, name in enumerate(sorted(everywhere), start=1)}
