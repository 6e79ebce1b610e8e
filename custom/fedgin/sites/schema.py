"""The schema of a site's own file: where its data lie, what they mean and what may be used."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fedgin.config import StrictModel
from fedgin.confined import name_fault
from fedgin.sites.folders import (
    CacheSettings,
    LedgerSettings,
    ModelSettings,
    SecretSettings,
    StateSettings,
    expand_variables,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]


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


class _RootedData(StrictModel):
    root: str

    @field_validator("root")
    @classmethod
    def _expand(cls, root: str) -> str:
        return expand_variables(root)


class ListedData(_RootedData):
    """Image and label pairs, listed one by one.

    Attributes:
        kind: Always `pairs`.
        root: Data root; `${NAME}` stands for an environment variable.
        cases: The pairs.
    """

    kind: Literal["pairs"]
    cases: tuple[CaseFiles, ...]


class GlobbedData(_RootedData):
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


class DatalistData(_RootedData):
    """Image and label pairs from a JSON datalist in the form of MONAI and the MSD.

    Attributes:
        kind: Always `datalist`.
        root: Data root; `${NAME}` stands for an environment variable.
        file: The JSON file, below the root. Its `training` list holds `{"image", "label"}`
            objects (optionally `"patient"`), and so may `validation` and `test`.
    """

    kind: Literal["datalist"]
    file: str


class FractionSplit(StrictModel):
    """A seeded split by patient.

    Attributes:
        by: Always `fraction`.
        validation: Share of patients whose scans choose the best model.
        test: Share of patients that only measure.
        seed: Seed of the order in which patients are dealt out.
    """

    by: Literal["fraction"] = "fraction"
    validation: Fraction = 0.15
    test: Fraction = 0.25
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _something_left(self) -> FractionSplit:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must leave patients for training")
        return self


class PatientSplit(StrictModel):
    """An explicit split: patient identifiers by purpose.

    Attributes:
        by: Always `patient`.
        train: Patients to train on.
        validation: Patients that choose the best model.
        test: Patients that only measure.
    """

    by: Literal["patient"]
    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class SlabSplit(StrictModel):
    """Each volume cut along its axial axis: for a single patient, a robustness check, no result.

    Attributes:
        by: Always `slab`.
        train: Share of the slices, from the feet, to train on.
        validation: Share of the slices, next to these, that chooses the best model.
        test: Share of the slices, next to these, that only measures.
    """

    by: Literal["slab"]
    train: Annotated[float, Field(gt=0, le=1)]
    validation: Fraction = 0.0
    test: Fraction = 0.0

    @model_validator(mode="after")
    def _at_most_one(self) -> SlabSplit:
        if self.train + self.validation + self.test > 1 + 1e-9:
            raise ValueError("train + validation + test must be at most 1")
        return self


class OnlyTestSplit(StrictModel):
    """All patients measure: for a site that never trains, as in an external validation.

    Attributes:
        by: Always `test`.
    """

    by: Literal["test"]


LabelValues = int | tuple[int, ...]


class SiteConfig(StrictModel):
    """A site's own file. It stays at the site: no job carries or overrides it.

    Attributes:
        modality: What the site's scanners are.
        dataset: Where the cases come from.
        labels: The site's label values by structure name, one value or a list of values; every
            value that occurs must be listed here or in `other_labels`.
        other_labels: Values that occur in the label maps and are background for every task.
        split: Which patients train, validate and test.
        cache: Where prepared volumes are kept.
        state: Where the state between rounds is kept.
        models: Where released models are kept.
        ledger: Where the ledger of what left the site is kept.
        secret: Where the secret of the patients' hashes is kept.
        smallest_group: Patients that a group must have for its figures to be sent by class; 5 at
            least. Sites of phantoms have no such limit.
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.
        threads: CPU threads of a training process; a fixed number, because the rounding of sums,
            and with it the last bits of the model, depends on it.
        release_gpu: Whether the network leaves the device after each task, so that other programs
            can use its memory while the server and the other sites work.
        share_images: Whether validation pictures may be sent to the server; they show patients.
    """

    modality: Literal["CT", "MR"]
    dataset: Annotated[
        PhantomData | ListedData | GlobbedData | DatalistData, Field(discriminator="kind")
    ]
    labels: dict[str, LabelValues] | None = None
    other_labels: tuple[int, ...] = ()
    split: Annotated[
        FractionSplit | PatientSplit | SlabSplit | OnlyTestSplit, Field(discriminator="by")
    ] = FractionSplit()
    cache: CacheSettings = CacheSettings()
    state: StateSettings = StateSettings()
    models: ModelSettings = ModelSettings()
    ledger: LedgerSettings = LedgerSettings()
    secret: SecretSettings = SecretSettings()
    smallest_group: Annotated[int, Field(ge=5)] = 5
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    release_gpu: bool = False
    share_images: bool = False

    @property
    def is_phantom(self) -> bool:
        """Whether the site's patients are made up."""
        return isinstance(self.dataset, PhantomData)

    @property
    def reporting_floor(self) -> int:
        """Patients that a group must have for its figures to be sent by class."""
        return 1 if self.is_phantom else self.smallest_group

    @model_validator(mode="after")
    def _labels_make_sense(self) -> SiteConfig:
        if self.labels is None and not isinstance(self.dataset, PhantomData):
            raise ValueError("labels is required: structure names and their values in the files")
        owner: dict[int, str] = {}
        values = [(name, value) for name, value in (self.labels or {}).items()]
        values.append(("other_labels", self.other_labels))
        for name, entry in values:
            if entry == () and name != "other_labels":
                raise ValueError(f"'{name}' needs at least one value")
            for value in (entry,) if isinstance(entry, int) else entry:
                if not 1 <= value <= 65535:
                    raise ValueError(f"label values are 1 to 65535; '{name}' has {value}")
                if value in owner:
                    raise ValueError(f"value {value} stands for both '{owner[value]}' and '{name}'")
                owner[value] = name
        return self
