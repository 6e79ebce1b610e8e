"""The parts of a site's file that say which patients train, validate and test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fedgin.config import StrictModel

Fraction = Annotated[float, Field(ge=0, lt=1)]


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


class OwnSplit(StrictModel):
    """The split that the data set itself comes with.

    Attributes:
        by: Always `own`.
        validation: Share of the training patients that chooses the best model where the data set
            names no validation patients.
        seed: Seed of the order in which these are dealt out.
    """

    by: Literal["own"] = "own"
    validation: Fraction = 0.1
    seed: Annotated[int, Field(ge=0)] = 0
