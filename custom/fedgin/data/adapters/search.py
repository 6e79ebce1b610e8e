"""Looking through a data set's folders so that nothing is passed over silently."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedgin.confined import ConfinedFolder, unseen_character
from fedgin.data.adapters.base import (
    FoundCase,
    FoundData,
    LabelValue,
    LeftOut,
    Modality,
    Split,
)
from fedgin.errors import DataError, Problem

HIDDEN = "a hidden file or folder, such as macOS leaves"
NO_NIFTI = "no .nii or .nii.gz file"
NO_LABEL = "an image without a label file"
NO_IMAGE = "a label file without an image"
UNSEEN = "a name with characters that are not to be seen"
NOT_IN_LAYOUT = "not part of the data set's layout"
DOCUMENTS = (".json", ".csv", ".md", ".txt", ".pdf", ".xlsx", ".zip", ".tar", "license")
"""Ends of names, in lower case, of what lies beside the data in a root."""
_NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class NiftiFile:
    """A NIfTI file of a data set.

    Attributes:
        stem: Its name without `.nii` or `.nii.gz`.
        path: Its path below the root, with `/`.
    """

    stem: str
    path: str


def nifti_stem(name: str) -> str | None:
    """Returns a file's name without `.nii` or `.nii.gz`, in any case; None for other files."""
    return _NIFTI.sub("", name) if _NIFTI.search(name) else None


def bare_name(stem: str, end: re.Pattern[str]) -> str:
    """Returns what a pattern finds in a stem as its one group; the stem where it fits not."""
    match = end.fullmatch(stem)
    return stem if match is None else match.group(1)


def shown(text: str) -> str:
    """Writes a name so that it stays on its line, whatever characters it has."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def names_in(folder: Path) -> list[str]:
    """Lists the names in a folder, sorted.

    Raises:
        OSError: It cannot be read.
    """
    return sorted(path.name for path in folder.iterdir())


def subfolder(folder: Path, name: str) -> str | None:
    """Finds a folder by name, upper and lower case alike; the exact name wins.

    Returns:
        Its name as it is on the disk, or None.
    """
    if (folder / name).is_dir():
        return name
    try:
        names = names_in(folder)
    except OSError:
        return None
    for found in names:
        if found.casefold() == name.casefold() and (folder / found).is_dir():
            return found
    return None


class Search:
    """Collects the cases of a data set, what is none, and what must be refused."""

    def __init__(self, root: Path) -> None:
        """Begins at a root that the adapter has recognised as its own."""
        self.root = root
        self.notes: list[str] = []
        self._folder = ConfinedFolder(root)
        self._looked: set[str] = set()
        self._cases: dict[str, FoundCase] = {}
        self._left_out: dict[str, LeftOut] = {}
        self._problems: list[Problem] = []

    @property
    def n_cases(self) -> int:
        """Number of cases that were added so far."""
        return len(self._cases)

    def leave_out(self, path: str, reason: str) -> None:
        """Notes something that is no case; its name stays on one line, whatever it holds."""
        self._left_out.setdefault(path, LeftOut(path=shown(path), reason=reason))

    def refuse(self, problem: Problem) -> None:
        """Notes something because of which the data set cannot be used as it is."""
        self._problems.append(problem)

    def nifti(self, folder: str, *, recognise: bool = True) -> dict[str, NiftiFile]:
        """Lists the NIfTI files of a folder; whatever else is there is left out.

        Args:
            folder: Path below the root, `.` for the root itself.
            recognise: Whether other files than NIfTI are noted as left out.

        Returns:
            The files by their stem in lower case, sorted. Two files for one stem are refused.
        """
        self._looked.add(folder)
        found: dict[str, list[NiftiFile]] = {}
        for name in names_in(self.root / folder):
            path = name if folder == "." else f"{folder}/{name}"
            stem = nifti_stem(name)
            if name.startswith("."):
                self.leave_out(path, HIDDEN)
            elif unseen_character(name):
                self.leave_out(path, UNSEEN)
            elif stem is None or (self.root / path).is_dir():
                if recognise:
                    self.leave_out(path, NO_NIFTI)
            else:
                found.setdefault(stem.casefold(), []).append(NiftiFile(stem, path))
        for files in found.values():
            if len(files) > 1:
                self._refuse_twice(files)
        return {stem: files[0] for stem, files in sorted(found.items())}

    def _refuse_twice(self, files: list[NiftiFile]) -> None:
        listed = " and ".join(file.path for file in files)
        rule = "a case must have one file of each kind"
        mend = "remove the file that is out of date"
        self.refuse(Problem(str(self.root), rule, listed, mend))

    def keyed(
        self, files: Mapping[str, NiftiFile], pattern: re.Pattern[str], *, reason: str
    ) -> dict[str, NiftiFile]:
        """Takes the part of the files' stems by which image and label find each other.

        Args:
            files: Files by their stem in lower case.
            pattern: Finds that part as its one group; stems that it does not fit are left out.
            reason: What is said of these.
        """
        keyed: dict[str, list[NiftiFile]] = {}
        for stem, file in files.items():
            match = pattern.fullmatch(stem)
            if match is None:
                self.leave_out(file.path, reason)
            else:
                keyed.setdefault(match.group(1), []).append(file)
        for same in keyed.values():
            if len(same) > 1:
                self._refuse_twice(same)
        return {key: same[0] for key, same in keyed.items()}

    def matched(
        self,
        images: Mapping[str, NiftiFile],
        labels: Mapping[str, NiftiFile],
        *,
        no_label: str = NO_LABEL,
    ) -> Iterator[tuple[str, NiftiFile, NiftiFile]]:
        """Pairs images and labels of the same key; what has no partner is left out.

        Args:
            images: Images by key.
            labels: Label files by key.
            no_label: What is said of an image without a label.
        """
        for key, label in labels.items():
            if key not in images:
                self.leave_out(label.path, NO_IMAGE)
        for key, image in images.items():
            if key in labels:
                yield key, image, labels[key]
            else:
                self.leave_out(image.path, no_label)

    def rest(self, known: Collection[str] = ()) -> None:
        """Leaves out what lies in the root and was not looked through, but documents.

        Args:
            known: Names in the root that the adapter takes account of itself.
        """
        for name in names_in(self.root):
            if name in self._looked or name in known:
                continue
            if name.startswith("."):
                self.leave_out(name, HIDDEN)
            elif not name.casefold().endswith(DOCUMENTS) or (self.root / name).is_dir():
                self.leave_out(name, NOT_IN_LAYOUT)

    def add(
        self,
        name: str,
        *,
        modality: Modality | None,
        image: str,
        label: str,
        patient: str | None = None,
        split: Split | None = None,
    ) -> None:
        """Adds a case whose files are there; files that lie outside the root are refused.

        Args:
            name: Its name.
            modality: What its image is; None where the data set does not say.
            image: Its image below the root.
            label: Its label file, or the folder of its masks, below the root.
            patient: Whose it is; by default the name says it.
            split: The split that the data set puts it in.
        """
        where = f"{self.root}: case '{name}'"
        if odd := unseen_character(name):
            rule = "a case's name must have visible characters only"
            self.refuse(Problem(str(self.root), rule, odd, "rename the files"))
            return
        for path in (image, label):
            # A folder of masks is judged file by file, when these are read.
            if not (self.root / path).is_dir():
                try:
                    self._folder.file(path, where=where)
                except DataError as error:
                    self._problems += error.problems
        if name in self._cases:
            rule = "a case must stand in a data set once"
            found = f"{self._cases[name].image} and {image}"
            self.refuse(Problem(where, rule, found, "remove or rename one of them"))
            return
        self._cases[name] = FoundCase(
            name=name,
            patient=patient or name,
            modality=modality,
            image=image,
            label=label,
            split=split,
        )

    def found(
        self,
        *,
        labels: Mapping[str, LabelValue],
        form: Literal["nifti", "masks"] = "nifti",
        other_labels: tuple[int, ...] = (),
    ) -> FoundData:
        """Returns all that was found.

        Raises:
            DataError: Something must be refused, or there is no case.
        """
        if not self._cases and not self._problems:
            reasons = sorted({f"{left.path}: {left.reason}" for left in self._left_out.values()})
            found = "none" + (f" ({'; '.join(reasons[:5])})" if reasons else "")
            rule = "a data set must have at least one image with its label"
            self.refuse(Problem(str(self.root), rule, found, "check what was unpacked there"))
        if self._problems:
            raise DataError(self._problems)
        left_out = sorted(self._left_out.values(), key=lambda left: (left.reason, left.path))
        return FoundData(
            cases=tuple(sorted(self._cases.values(), key=lambda case: case.name)),
            form=form,
            labels=dict(labels),
            other_labels=other_labels,
            left_out=tuple(left_out),
            notes=tuple(self.notes),
        )
