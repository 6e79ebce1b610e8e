"""Cases whose structures have a file each: read one after another into one label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedgin.confined import ConfinedFolder
from fedgin.data.adapters.search import nifti_stem
from fedgin.data.checks import check_geometry
from fedgin.data.file_cases import case_names
from fedgin.data.hashing import FileHashes
from fedgin.data.nifti import read_nifti
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.errors import DataError, Problem
from fedgin.sites.data_sets import MaskData
from fedgin.sites.lookup import Site


@dataclass(frozen=True)
class MaskCase:
    """A case of an image and a folder of masks, both below a data root.

    Attributes:
        name: Name of the case.
        patient: Identifier of the patient.
        root: The data root, which no mask may leave.
        image: Its image.
        masks: Folder of its masks.
        values: Label value by structure, of the structures that are read.
        fixed_split: The split that the data set itself puts the case in, if it does.
    """

    name: str
    patient: str
    root: Path
    image: Path
    masks: Path
    values: Mapping[str, int]
    fixed_split: str | None = None

    def mask_files(self) -> dict[str, Path]:
        """Finds the file of every structure that is read.

        Raises:
            DataError: Masks are missing, are there twice, or lead out of the root; all are listed.
        """
        folder = ConfinedFolder(self.root)
        there: dict[str, list[Path]] = {}
        try:
            for path in sorted(self.masks.iterdir()):
                if (stem := nifti_stem(path.name)) is not None:
                    there.setdefault(stem.casefold(), []).append(path)
        except OSError as error:
            found = error.strerror or type(error).__name__
            rule, mend = "the folder of masks must be readable", "correct the path"
            raise DataError(Problem(f"{self.name}: {self.masks}", rule, found, mend)) from None
        files: dict[str, Path] = {}
        problems: list[Problem] = []
        for structure in self.values:
            paths = there.get(structure.casefold(), [])
            if len(paths) != 1:
                problems.append(self._not_one(structure, paths))
                continue
            try:
                files[structure] = folder.found(paths[0], where=f"{self.name}: {paths[0]}")
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError(problems)
        return files

    def _not_one(self, structure: str, paths: list[Path]) -> Problem:
        where = f"{self.name}: {self.masks / structure}.nii.gz"
        if paths:
            found = " and ".join(path.name for path in paths)
            rule = "a structure must have one mask"
            return Problem(where, rule, found, "remove the one that is out of date")
        mend = "add the mask, empty where the image does not show the structure, or leave the case"
        return Problem(where, "every structure must have a mask", "no such file", mend + " out")

    def content_key(self, hashes: FileHashes) -> str:
        """Returns the hashes of the image and of the masks with their values."""
        files = self.mask_files()
        if not self.image.is_file():
            self.load()  # the reader names what is missing
        parts = [f"{self.values[name]}={hashes.of(path)}" for name, path in files.items()]
        return f"masks {hashes.of(self.image)} {' '.join(parts)}"

    def load(self) -> LabelledVolume:
        """Reads the image and puts the masks together, in the memory of two label maps.

        Raises:
            DataError: A file is missing or damaged, a mask is not binary or lies on another grid,
                or two masks claim the same voxel; all problems are listed.
        """
        problems: list[Problem] = []
        files: dict[str, Path] = {}
        try:
            files = self.mask_files()
        except DataError as error:
            problems += error.problems
        try:
            image = read_nifti(self.image, kind="image")
        except DataError as error:
            problems += [_of_case(self.name, problem) for problem in error.problems]
            raise DataError(problems) from None
        dtype = np.uint8 if max(self.values.values(), default=0) < 256 else np.uint16
        label = Volume(np.zeros(image.array.shape, dtype=dtype), image.affine)
        for structure, path in files.items():
            try:
                problems += self._draw(structure, path, LabelledVolume(image, label))
            except DataError as error:
                problems += [_of_case(self.name, problem) for problem in error.problems]
        if problems:
            raise DataError(problems)
        return LabelledVolume(image=image, label=label)

    def _draw(self, structure: str, path: Path, drawn: LabelledVolume) -> list[Problem]:
        """Draws a mask into the label map; returns what is wrong with it."""
        where = f"{self.name}: {path}"
        mask = read_mask(path)
        if problems := check_geometry(where, LabelledVolume(drawn.image, mask)):
            return problems
        inside = mask.array != 0
        taken = drawn.label.array[inside]
        if taken.any():
            return [self._overlap(where, structure, taken)]
        drawn.label.array[inside] = self.values[structure]
        return []

    def _overlap(self, where: str, structure: str, taken: np.ndarray) -> Problem:
        values, counts = np.unique(taken[taken != 0], return_counts=True)
        name_of = {value: name for name, value in self.values.items()}
        shared = ", ".join(
            f"{count} voxels of '{structure}' in '{name_of[value]}'"
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        )
        rule = "a voxel must lie in one structure's mask only"
        mend = "name one of the two structures only, or correct the masks"
        return Problem(where, rule, shared, mend)


def read_mask(path: Path) -> Volume:
    """Reads a mask: 0 outside its structure and one other value inside.

    Raises:
        DataError: The file is damaged, or has several values.
    """
    mask = read_nifti(path, kind="label")
    highest = mask.array.max()
    between = int(np.count_nonzero((mask.array != 0) & (mask.array != highest)))
    if between:
        rule = "a mask must be 0 outside its structure and one other value inside"
        found = f"{between} voxels of other values than 0 and {highest}"
        mend = "export one file for each structure, or list label maps with kind: pairs"
        raise DataError(Problem(str(path), rule, found, mend))
    return mask


def _of_case(name: str, problem: Problem) -> Problem:
    return Problem(f"{name}: {problem.where}", problem.rule, problem.found, problem.mend)


def listed_mask_cases(folder: ConfinedFolder, dataset: MaskData, site: Site) -> list[MaskCase]:
    """Lists the cases that a site's own file names.

    Raises:
        DataError: Paths leave the data root; all are listed.
    """
    problems: list[Problem] = []
    confined: list[tuple[Path, Path]] = []
    for number, entry in enumerate(dataset.cases):
        where = f"{site.path}: key 'dataset.cases.{number}"
        try:
            image = folder.file(entry.image, where=f"{where}.image'")
            confined.append((image, folder.folder(entry.masks, where=f"{where}.masks'")))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    names = case_names([image.relative_to(folder.root) for image, _ in confined])
    return [
        MaskCase(
            name=name,
            patient=entry.patient or name,
            root=folder.root,
            image=image,
            masks=masks,
            values=dataset.label_values,
        )
        for name, entry, (image, masks) in zip(names, dataset.cases, confined, strict=True)
    ]
