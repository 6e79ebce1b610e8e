"""Where a site's cases come from: files, masks, DICOM, a data set's layout or the phantom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fedgin.confined import ConfinedFolder
from fedgin.data.adapter_cases import adapter_cases, adapter_labels
from fedgin.data.beside import check_excluded, excluded_names
from fedgin.data.dicom.case import DicomCase
from fedgin.data.dicom.case_list import dicom_cases
from fedgin.data.file_cases import (
    DATALIST_SPLITS,
    FileCase,
    datalist_entries,
    file_cases,
    globbed_cases,
    listed_entries,
)
from fedgin.data.hashing import FileHashes
from fedgin.data.mask_cases import MaskCase, listed_mask_cases
from fedgin.data.phantom_labels import keep_values, phantom_labels
from fedgin.data.volume import LabelledVolume
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.sites.data_sets import AdapterData, MaskData
from fedgin.sites.dicom_data import DicomData
from fedgin.sites.lookup import Site
from fedgin.sites.schema import GlobbedData, LabelValues, ListedData, PhantomData
from fedgin.tasks import Task

__all__ = [
    "DATALIST_SPLITS",
    "Case",
    "DicomCase",
    "FileCase",
    "MaskCase",
    "PhantomScan",
    "list_cases",
    "site_labels",
]


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
    """A generated case; `drawn` are the label values that its site's readers draw, None for all."""

    name: str
    task: str
    modality: str
    protocol: str
    seed: int
    index: int
    fixed_split: str | None = None
    drawn: tuple[int, ...] | None = None

    @property
    def patient(self) -> str:
        """The anatomy is the patient: protocols and modalities of it are the same patient."""
        return f"phantom-{self.seed}-{self.index}"

    def content_key(self, hashes: FileHashes) -> str:
        """Returns all arguments of the generator and its version."""
        from fedgin.data.phantom import PHANTOM_VERSION

        arguments = (self.task, self.modality, self.protocol, self.seed, self.index)
        drawn = "" if self.drawn is None else f" drawn {self.drawn}"
        return f"phantom {PHANTOM_VERSION} {arguments}{drawn}"

    def load(self) -> LabelledVolume:
        """Generates the case."""
        from fedgin.data.phantom import phantom_case

        pair = phantom_case(
            task=self.task,
            modality=self.modality,
            protocol=self.protocol,
            seed=self.seed,
            index=self.index,
        )
        return pair if self.drawn is None else keep_values(pair, self.drawn)


def list_cases(site: Site, task: Task) -> list[Case]:
    """Lists a site's cases, but for those that its file excludes, without reading a voxel.

    Raises:
        ConfigError: The site's file names something that cannot be.
        DataError: A file or folder is missing, or there is no case at all.
    """
    dataset = site.config.dataset
    cases: list[Case]
    if isinstance(dataset, PhantomData):
        cases = list(_phantom_cases(site, dataset, task))
    elif isinstance(dataset, AdapterData):
        cases = [*adapter_cases(site, dataset, task)]
    else:
        root = dataset.folder
        if not root.is_dir():
            raise DataError(
                Problem(
                    f"{site.path}: key 'dataset.root'",
                    "the data root must be a folder",
                    dataset.told_root,
                    dataset.mend_of_root,
                )
            )
        folder = ConfinedFolder(root)
        if isinstance(dataset, ListedData):
            cases = [*file_cases(folder, list(listed_entries(site, dataset)))]
        elif isinstance(dataset, GlobbedData):
            cases = [*globbed_cases(folder, dataset, site)]
        elif isinstance(dataset, DicomData):
            cases = [*dicom_cases(folder, dataset, site)]
        elif isinstance(dataset, MaskData):
            cases = [*listed_mask_cases(folder, dataset, site)]
        else:
            cases = [*file_cases(folder, list(datalist_entries(folder, dataset, site)))]
    if not cases:
        raise DataError(
            Problem(str(site.path), "a site needs at least one case", "none", "check 'dataset'")
        )
    _refuse_repeated_names(site, cases)
    check_excluded(site, {case.name for case in cases})
    excluded = set(excluded_names(site))
    if excluded and not (cases := [case for case in cases if case.name not in excluded]):
        where, rule = f"{site.path}: key 'dataset.exclude'", "a site needs at least one case"
        raise DataError(Problem(where, rule, "all are excluded", "exclude fewer"))
    return cases


def site_labels(site: Site, task: Task) -> tuple[Mapping[str, LabelValues], tuple[int, ...]]:
    """Returns a site's label values: its file's, or else those that its data bring.

    Returns:
        The values by structure name, and the further values that are background.

    Raises:
        ConfigError: The data bring no names, and the site's file has none; or it names values that
            its phantoms do not have.
        DataError: The data set of an adapter is not there.
    """
    config, dataset = site.config, site.config.dataset
    if isinstance(dataset, AdapterData):
        return adapter_labels(site, dataset)
    labels: Mapping[str, LabelValues] | None = config.labels
    if labels is None and isinstance(dataset, MaskData | DicomData):
        labels = dataset.label_values
    if isinstance(dataset, PhantomData):
        labels = phantom_labels(site, task)
    return labels or {}, config.other_labels


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
    drawn = None if site.config.labels is None else tuple(sorted(site.config.label_values))
    for index in range(dataset.cases):
        yield PhantomScan(
            name=f"{modality.lower()}-{dataset.protocol}-{dataset.seed}-{index:03d}",
            task=task.name,
            modality=modality,
            protocol=dataset.protocol,
            seed=dataset.seed,
            index=index,
            drawn=drawn,
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
