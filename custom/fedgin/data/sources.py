"""Where a site's cases come from: listed files, patterns, a datalist or the phantom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedgin.confined import ConfinedFolder
from fedgin.data.file_cases import (
    DATALIST_SPLITS,
    FileCase,
    datalist_entries,
    file_cases,
    globbed_cases,
    listed_entries,
)
from fedgin.data.hashing import FileHashes
from fedgin.data.volume import LabelledVolume
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.sites.lookup import Site
from fedgin.sites.schema import GlobbedData, ListedData, PhantomData
from fedgin.tasks import Task

__all__ = ["DATALIST_SPLITS", "Case", "FileCase", "PhantomScan", "list_cases"]


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
        folder = ConfinedFolder(root)
        if isinstance(dataset, ListedData):
            cases = [*file_cases(folder, list(listed_entries(site, dataset)))]
        elif isinstance(dataset, GlobbedData):
            cases = [*globbed_cases(folder, dataset, site)]
        else:
            cases = [*file_cases(folder, list(datalist_entries(folder, dataset, site)))]
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
