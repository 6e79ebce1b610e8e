"""A site's cases in files: listed, found by patterns, or in a datalist; all below its data root."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.config import read_mapping
from fedgin.confined import ConfinedFolder, unseen_character
from fedgin.data.checks import read_pair
from fedgin.data.hashing import FileHashes
from fedgin.data.volume import LabelledVolume
from fedgin.errors import DataError, Problem
from fedgin.sites.lookup import Site
from fedgin.sites.schema import CaseFiles, DatalistData, GlobbedData, ListedData

DATALIST_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
SHOWN, MOST_LISTED = 5, 1000
"""Names of a folder that a refusal shows, and of those that it looks at."""


@dataclass(frozen=True)
class FileCase:
    """A case in two NIfTI files."""

    name: str
    patient: str
    image: Path
    label: Path
    fixed_split: str | None = None

    def content_key(self, hashes: FileHashes) -> str:
        """Returns the hashes of both files."""
        if not (self.image.is_file() and self.label.is_file()):
            self.load()  # the reader names all that is missing
        try:
            return f"files {hashes.of(self.image)} {hashes.of(self.label)}"
        except OSError:
            self.load()  # the reader names what cannot be read
            raise

    def load(self) -> LabelledVolume:
        """Reads both files."""
        return read_pair(self.name, self.image, self.label)


def case_names(images: Sequence[Path]) -> list[str]:
    """Names cases by their images' file names, or by their paths where these repeat (s0001/ct).

    Args:
        images: Paths below the data root.
    """
    names = [_stem(image) for image in images]
    if len(set(names)) < len(names):
        return [(image.parent / _stem(image)).as_posix() for image in images]
    return names


def _stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A case as a list has it.

    Attributes:
        where: Where it stands in the list.
        files: Its files, as the list names them.
        split: The split that the list puts it in, if it does.
    """

    where: str
    files: CaseFiles
    split: str | None = None


def listed_entries(site: Site, dataset: ListedData) -> Iterable[Entry]:
    """Lists the cases that a site's own file names."""
    for number, files in enumerate(dataset.cases):
        yield Entry(f"{site.path}: key 'dataset.cases.{number}", files)


def file_cases(folder: ConfinedFolder, entries: Sequence[Entry]) -> list[FileCase]:
    """Names cases by their image files, or by their paths where file names repeat (s0001/ct).

    Raises:
        DataError: Paths leave the folder; all are listed.
    """
    confined: list[tuple[Path, Path]] = []
    problems: list[Problem] = []
    for entry in entries:
        try:
            confined.append(_confined_pair(folder, entry))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    images = [image.relative_to(folder.root) for image, _ in confined]
    names = case_names(images)
    return [
        FileCase(
            name=name,
            patient=entry.files.patient or name,
            image=image,
            label=label,
            fixed_split=entry.split,
        )
        for name, (image, label), entry in zip(names, confined, entries, strict=True)
    ]


def _confined_pair(folder: ConfinedFolder, entry: Entry) -> tuple[Path, Path]:
    paths: list[Path] = []
    problems: list[Problem] = []
    for key, name in (("image", entry.files.image), ("label", entry.files.label)):
        # A key of a site's file is quoted as a whole: key 'dataset.cases.0.image'
        where = f"{entry.where}.{key}" + ("'" if ": key '" in entry.where else "")
        try:
            paths.append(folder.file(name, where=where))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return paths[0], paths[1]


def globbed_cases(folder: ConfinedFolder, dataset: GlobbedData, site: Site) -> list[FileCase]:
    """Finds the cases that a pattern fits.

    Raises:
        DataError: No file fits the pattern; or files are links that leave the folder, or names show
            no patient: all are listed.
    """
    cases: list[FileCase] = []
    problems: list[Problem] = []
    images = sorted(folder.root.glob(dataset.images))
    if not images:
        raise DataError(_nothing_fits(folder.root, dataset, site))
    for image in images:
        try:
            cases.append(_globbed_case(folder, dataset, site, image))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return cases


def _nothing_fits(root: Path, dataset: GlobbedData, site: Site) -> Problem:
    """Says what lies where the pattern looks."""
    fixed = itertools.takewhile(lambda part: "*" not in part, Path(dataset.images).parent.parts)
    nearest = root.joinpath(*fixed)
    while not nearest.is_dir():
        nearest = nearest.parent
    names = sorted(path.name for path in itertools.islice(nearest.iterdir(), MOST_LISTED))
    there = f"{nearest.relative_to(root.parent)} holds {', '.join(names[:SHOWN]) or 'nothing'}"
    more = ", ..." if len(names) > SHOWN else ""
    return Problem(
        f"{site.path}: key 'dataset.images'",
        f"some file below {dataset.told_root} must fit the pattern '{dataset.images}'",
        f"none; {there}{more}",
        "correct the pattern or the root",
    )


def _globbed_case(
    folder: ConfinedFolder, dataset: GlobbedData, site: Site, image: Path
) -> FileCase:
    if odd := unseen_character(image.name):
        raise DataError(
            Problem(
                f"{site.path}: key 'dataset.images'",
                "a file's name must have visible characters only",
                odd,
                "rename the file",
            )
        )
    name = patient = globbed_name(folder.root, dataset, image)
    if dataset.patient is not None and name not in dataset.exclude:
        match = re.search(dataset.patient, name)
        if match is None or not match.group(1):
            raise DataError(
                Problem(
                    str(image),
                    f"the case's name must match 'dataset.patient' ({dataset.patient})",
                    f"'{name}'",
                    "correct the regular expression or the file's name, or leave the case out by "
                    "'dataset.exclude'",
                )
            )
        patient = match.group(1)
    label = folder.root / dataset.labels.replace("*", name)
    return FileCase(
        name=name,
        patient=patient,
        image=folder.found(image, where=str(image)),
        label=folder.found(label, where=str(label)),
    )


def globbed_name(root: Path, dataset: GlobbedData, image: Path) -> str:
    """Returns what the star of the images' pattern stands for in an image's path."""
    prefix, suffix = dataset.images.split("*")
    relative = image.relative_to(root).as_posix()
    return relative[len(prefix) : len(relative) - len(suffix)]


def datalist_entries(folder: ConfinedFolder, dataset: DatalistData, site: Site) -> Iterable[Entry]:
    """Lists the cases of a datalist.

    Raises:
        ConfigError: The file is missing, or no JSON within bounds.
        DataError: It lies elsewhere, or entries are of another form.
    """
    path = folder.file(dataset.file, where=f"{site.path}: key 'dataset.file'")
    datalist = read_mapping(path)
    # A list with labelled cases under `training` alone leaves the split to the site's file.
    problems = [
        Problem(
            f"{path}: key '{key}'",
            "the key must hold a list",
            repr(datalist[key])[:120],
            "correct it",
        )
        for key in DATALIST_SPLITS
        if not isinstance(datalist.get(key, []), list)
    ]
    if problems:
        raise DataError(problems)
    fixed = bool(datalist.get("validation")) or any(
        isinstance(entry, dict) for entry in datalist.get("test", [])
    )
    for key, split in DATALIST_SPLITS.items():
        for number, entry in enumerate(datalist.get(key, [])):
            if key == "test" and isinstance(entry, str):
                continue  # the MSD lists test images without labels: nothing to measure there
            if not (
                isinstance(entry, dict)
                and isinstance(entry.get("image"), str)
                and isinstance(entry.get("label"), str)
                and isinstance(entry.get("patient", ""), str)
            ):
                problems.append(
                    Problem(
                        f"{path}: {key}[{number}]",
                        "an entry must hold 'image' and 'label' as text",
                        repr(entry)[:120],
                        "correct the entry",
                    )
                )
                continue
            files = CaseFiles(
                image=entry["image"], label=entry["label"], patient=entry.get("patient")
            )
            yield Entry(f"{path}: {key}[{number}]", files, split if fixed else None)
    if problems:
        raise DataError(problems)
