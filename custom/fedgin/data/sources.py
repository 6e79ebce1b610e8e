"""Where a site's cases come from: listed files, patterns, a datalist or the phantom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedgin.config import read_mapping
from fedgin.data.checks import read_pair
from fedgin.data.hashing import FileHashes
from fedgin.data.volume import LabelledVolume
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.sites.lookup import Site
from fedgin.sites.schema import CaseFiles, DatalistData, GlobbedData, ListedData, PhantomData
from fedgin.tasks import Task

DATALIST_SPLITS = {"training": "train", "validation": "validation", "test": "test"}


class Case(Protocol):
    """A scan of a patient with its label map."""

    @property
    def name(self) -> str:
        """Name of the case, unique at its site."""

    @property
    def patient(self) -> str:
        """Identifier of the patient, which splits go by."""

    @property
    def fixed_split(self) -> str | None:
        """The split that the data set itself puts the case in, if it does."""

    def content_key(self, hashes: FileHashes) -> str:
        """Returns a text that changes whenever the case's voxels do."""

    def load(self) -> LabelledVolume:
        """Reads image and label map.

        Raises:
            DataError: One or both break a rule.
        """


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


@dataclass(frozen=True)
class PhantomScan:
    """A generated case."""

    name: str
    task: str
    modality: str
    protocol: str
    seed: int
    index: int
    fixed_split: str | None = None

    @property
    def patient(self) -> str:
        """The anatomy is the patient: protocols and modalities of it are the same patient."""
        return f"phantom-{self.seed}-{self.index}"

    def content_key(self, hashes: FileHashes) -> str:
        """Returns all arguments of the generator and its version."""
        from fedgin.data.phantom import PHANTOM_VERSION

        arguments = (self.task, self.modality, self.protocol, self.seed, self.index)
        return f"phantom {PHANTOM_VERSION} {arguments}"

    def load(self) -> LabelledVolume:
        """Generates the case."""
        from fedgin.data.phantom import phantom_case

        return phantom_case(
            task=self.task,
            modality=self.modality,
            protocol=self.protocol,
            seed=self.seed,
            index=self.index,
        )


def list_cases(site: Site, task: Task) -> list[Case]:
    """Lists a site's cases without reading a voxel.

    Raises:
        ConfigError: The site's file names something that cannot be.
        DataError: A file or folder is missing, or there is no case at all.
    """
    dataset = site.config.dataset
    cases: list[Case]
    if isinstance(dataset, PhantomData):
        cases = list(_phantom_cases(site, dataset, task))
    else:
        root = Path(dataset.root).expanduser()
        if not root.is_dir():
            raise DataError(
                Problem(
                    f"{site.path}: key 'dataset.root'",
                    "the data root must be a folder",
                    f"'{root}'",
                    "correct the path or mount the data",
                )
            )
        if isinstance(dataset, ListedData):
            cases = _file_cases(root, [(entry, None) for entry in dataset.cases])
        elif isinstance(dataset, GlobbedData):
            cases = list(_globbed_cases(root, dataset))
        else:
            cases = _file_cases(root, list(_datalist_entries(root, dataset)))
    if not cases:
        raise DataError(
            Problem(str(site.path), "a site needs at least one case", "none", "check 'dataset'")
        )
    _refuse_repeated_names(site, cases)
    return cases


def _phantom_cases(site: Site, dataset: PhantomData, task: Task) -> Iterable[Case]:
    from fedgin.data.phantom import PROTOCOLS

    modality = site.config.modality
    if dataset.protocol not in PROTOCOLS[modality]:
        raise ConfigError(
            Problem(
                f"{site.path}: key 'dataset.protocol'",
                f"the protocol must be one of {', '.join(PROTOCOLS[modality])} for {modality}",
                f"'{dataset.protocol}'",
                "choose one of these or change the modality",
            )
        )
    for index in range(dataset.cases):
        yield PhantomScan(
            name=f"{modality.lower()}-{dataset.protocol}-{dataset.seed}-{index:03d}",
            task=task.name,
            modality=modality,
            protocol=dataset.protocol,
            seed=dataset.seed,
            index=index,
        )


def _stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def _file_cases(root: Path, entries: Sequence[tuple[CaseFiles, str | None]]) -> list[Case]:
    """Names cases by their image files, or by their paths where file names repeat (s0001/ct)."""
    stems = [_stem(Path(entry.image)) for entry, _ in entries]
    names = stems
    if len(set(stems)) < len(stems):
        folders = [Path(entry.image).parent for entry, _ in entries]
        names = [(folder / stem).as_posix() for folder, stem in zip(folders, stems, strict=True)]
    return [
        FileCase(
            name=name,
            patient=entry.patient or name,
            image=root / entry.image,
            label=root / entry.label,
            fixed_split=split,
        )
        for name, (entry, split) in zip(names, entries, strict=True)
    ]


def _globbed_cases(root: Path, dataset: GlobbedData) -> Iterable[Case]:
    prefix, suffix = dataset.images.split("*")
    for image in sorted(root.glob(dataset.images)):
        relative = image.relative_to(root).as_posix()
        name = relative[len(prefix) : len(relative) - len(suffix)]
        patient = name
        if dataset.patient is not None:
            match = re.search(dataset.patient, name)
            if match is None or not match.group(1):
                raise DataError(
                    Problem(
                        str(image),
                        f"the case's name must match 'dataset.patient' ({dataset.patient})",
                        f"'{name}'",
                        "correct the regular expression or the file's name",
                    )
                )
            patient = match.group(1)
        label = root / dataset.labels.replace("*", name)
        yield FileCase(name=name, patient=patient, image=image, label=label)


def _datalist_entries(root: Path, dataset: DatalistData) -> Iterable[tuple[CaseFiles, str | None]]:
    path = root / dataset.file
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
            yield files, split if fixed else None
    if problems:
        raise DataError(problems)


def _refuse_repeated_names(site: Site, cases: list[Case]) -> None:
    seen: set[str] = set()
    repeated = sorted({c.name for c in cases if c.name in seen or seen.add(c.name)})  # type: ignore[func-returns-value]
    if repeated:
        raise DataError(
            Problem(
                str(site.path),
                "every case must stand once",
                f"more than once: {', '.join(repeated)}",
                "remove the repetition or rename the files",
            )
        )
