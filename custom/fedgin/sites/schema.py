"""The schema of a site's own file: where its data lie, what they mean and what may be used."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, ValidationError, WrapValidator, field_validator, model_validator

from fedgin.config import StrictModel
from fedgin.confined import name_fault
from fedgin.sites.data_sets import AdapterData, MaskData
from fedgin.sites.dicom_data import DicomData
from fedgin.sites.folders import (
    CacheSettings,
    LedgerSettings,
    ModelSettings,
    SecretSettings,
    StateSettings,
)
from fedgin.sites.label_values import LabelValues as LabelValues
from fedgin.sites.label_values import label_faults, whole_or_list
from fedgin.sites.rooted import RootedData
from fedgin.sites.splits import FractionSplit, OnlyTestSplit, OwnSplit, PatientSplit, SlabSplit


class PhantomData(StrictModel):
    """Generated anatomies, for trying the package out.

    Attributes:
        kind: Always `phantom`.
        protocol: Acquisition protocol, one of `fedgin.data.phantom.PROTOCOLS`.
        seed: Seed of the anatomies; sites with different seeds have different patients.
        cases: Number of patients.
    """

    kind: Literal["phantom"]
    protocol: str
    seed: Annotated[int, Field(ge=0)]
    cases: Annotated[int, Field(ge=1, le=10_000)]


class CaseFiles(StrictModel):
    """One case: an image, its label map and whose they are.

    Attributes:
        image: Path of the image, below the data root.
        label: Path of the label map, below the data root.
        patient: Patient identifier; by default the image's file name without suffix, or its path
            below the root where file names repeat.
    """

    image: str
    label: str
    patient: str | None = None


class ListedData(RootedData):
    """Image and label pairs, listed one by one.

    Attributes:
        kind: Always `pairs`.
        root: Data root; `${NAME}` stands for an environment variable.
        cases: The pairs.
    """

    kind: Literal["pairs"]
    cases: tuple[CaseFiles, ...]


class GlobbedData(RootedData):
    """Image and label pairs, found by two patterns that must match file by file.

    Attributes:
        kind: Always `glob`.
        root: Data root; `${NAME}` stands for an environment variable.
        images: Pattern of the images with exactly one `*`, such as `imagesTr/*.nii.gz`; what the
            star stands for is the case's name.
        labels: Path of the label map with one `*`, which stands for the same text.
        patient: Regular expression with one group that finds the patient in the case's name; by
            default the whole name.
    """

    kind: Literal["glob"]
    images: str
    labels: str
    patient: str | None = None

    @field_validator("images", "labels")
    @classmethod
    def _one_star(cls, pattern: str) -> str:
        if pattern.count("*") != 1 or any(mark in pattern for mark in "?["):
            raise ValueError("the pattern needs exactly one '*' and no other wildcard")
        path = PurePosixPath(pattern)
        if path.is_absolute():
            raise ValueError("the pattern must be relative to the data root")
        if fault := name_fault(pattern):
            raise ValueError(f"{fault[0]} (the pattern has {fault[1]})")
        return path.as_posix()  # without './' and '//', which no file found would show

    @field_validator("patient")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"the regular expression does not compile: {error}") from None
            if groups != 1:
                raise ValueError("the regular expression needs exactly one group")
        return pattern


class DatalistData(RootedData):
    """Image and label pairs from a JSON datalist in the form of MONAI and the MSD.

    Attributes:
        kind: Always `datalist`.
        root: Data root; `${NAME}` stands for an environment variable.
        file: The JSON file, below the root. Its `training` list holds `{"image", "label"}`
            objects (optionally `"patient"`), and so may `validation` and `test`.
    """

    kind: Literal["datalist"]
    file: str


class FingerprintPolicy(StrictModel):
    """What a site's counts may tell others before training; see `fedgin.fingerprint`.

    Attributes:
        smallest_count: Patients that every count must stand on, 5 at least; by default the site's
            `smallest_group`. Sites of phantoms have no limit but the one written here.
        epsilon: Privacy loss of one answer for each patient; null adds no noise.
        epsilon_all_runs: Privacy loss that all noisy answers together may have; null is no limit.
    """

    smallest_count: Annotated[int, Field(ge=5)] | None = None
    epsilon: Annotated[float, Field(ge=1e-3, le=1e3)] | None = None
    epsilon_all_runs: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class SiteConfig(StrictModel):
    """A site's own file. It stays at the site: no job carries or overrides it.

    Attributes:
        modality: What the site's scanners are.
        dataset: Where the cases come from.
        labels: The site's label values by structure name, one value or a list of values; every
            value that occurs must be listed here or in `other_labels`. A structure that is not
            listed is not annotated. A phantom site that lists structures annotates only these.
            Masks and segments bring their own, and so does an adapter by default.
        other_labels: Values that occur in the label maps and are background for every task.
        split: Which patients train, validate and test; an adapter's default is the data set's own
            split, where it has one.
        cache: Where prepared volumes are kept.
        state: Where the state between rounds is kept.
        models: Where released models are kept.
        ledger: Where the ledger of what left the site is kept.
        secret: Where the secret of the patients' hashes is kept.
        smallest_group: Patients that a group must have for its figures to be sent by class; 5 at
            least. Sites of phantoms have no such limit.
        fingerprint: What counts of the data may tell others before training.
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.
        threads: CPU threads of a training process; a fixed number, because the rounding of sums,
            and with it the last bits of the model, depends on it.
        release_gpu: Whether the network leaves the device after each task, so that other programs
            can use its memory while the server and the other sites work.
        share_images: Whether validation pictures may be sent to the server; they show patients.
    """

    modality: Literal["CT", "MR"]
    dataset: Annotated[
        PhantomData | ListedData | GlobbedData | DatalistData | MaskData | DicomData | AdapterData,
        Field(discriminator="kind"),
    ]
    labels: dict[str, Annotated[LabelValues, WrapValidator(whole_or_list)]] | None = None
    other_labels: tuple[int, ...] = ()
    split: Annotated[
        FractionSplit | PatientSplit | SlabSplit | OnlyTestSplit | OwnSplit,
        Field(discriminator="by"),
    ] = FractionSplit()
    cache: CacheSettings = CacheSettings()
    state: StateSettings = StateSettings()
    models: ModelSettings = ModelSettings()
    ledger: LedgerSettings = LedgerSettings()
    secret: SecretSettings = SecretSettings()
    smallest_group: Annotated[int, Field(ge=5)] = 5
    fingerprint: FingerprintPolicy = FingerprintPolicy()
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    release_gpu: bool = False
    share_images: bool = False

    @property
    def is_phantom(self) -> bool:
        """Whether the site's patients are made up."""
        return isinstance(self.dataset, PhantomData)

    @property
    def only_tests(self) -> bool:
        """Whether the site never trains: all its patients measure."""
        return isinstance(self.split, OnlyTestSplit)

    @property
    def reporting_floor(self) -> int:
        """Patients that a group must have for its figures to be sent by class."""
        return 1 if self.is_phantom else self.smallest_group

    @property
    def label_values(self) -> frozenset[int]:
        """All values that the site's label maps may hold besides 0."""
        entries = (self.labels or {}).values()
        listed = {v for entry in entries for v in ((entry,) if isinstance(entry, int) else entry)}
        return frozenset(listed | set(self.other_labels))

    @property
    def fingerprint_floor(self) -> int:
        """Patients that a count of the site's fingerprint must stand on."""
        return self.fingerprint.smallest_count or self.reporting_floor

    @model_validator(mode="after")
    def _labels_make_sense(self) -> SiteConfig:
        named = isinstance(self.dataset, DicomData) and self.dataset.segments is not None
        if named and (self.labels is not None or self.other_labels):
            raise ValueError("values follow from 'dataset.segments': leave out labels")
        own = named or isinstance(self.dataset, PhantomData | MaskData | AdapterData)
        if self.labels is None and not own:
            raise ValueError("labels is required: structure names and their values in the files")
        entries: dict[tuple[str, ...], LabelValues] = {
            ("labels", name): entry for name, entry in (self.labels or {}).items()
        }
        entries[("other_labels",)] = self.other_labels
        if faults := label_faults(entries):
            raise ValidationError.from_exception_data(type(self).__name__, faults)
        return self
