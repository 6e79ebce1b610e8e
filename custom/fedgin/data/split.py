"""Who trains, who chooses the best model, who only measures: by patient, never by slice."""

from __future__ import annotations

from collections.abc import Sequence

from fedgin.data.sources import Case
from fedgin.errors import ConfigError, Problem
from fedgin.seeding import numpy_generator
from fedgin.sites.lookup import Site
from fedgin.sites.schema import FractionSplit, OnlyTestSplit, PatientSplit, SlabSplit

SPLITS = ("train", "validation", "test")


def split_cases(site: Site, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Deals a site's cases out to the splits.

    A data set that brings its own split keeps it, but where the site says that all patients test.
    A slab split gives every case to every split; the slices are divided later.

    Raises:
        ConfigError: An explicit split names an unknown patient or leaves one out.
    """
    split = site.config.split
    if isinstance(split, OnlyTestSplit):
        return {"train": [], "validation": [], "test": list(cases)}
    if any(case.fixed_split for case in cases):
        return {name: [c for c in cases if c.fixed_split == name] for name in SPLITS}
    if isinstance(split, SlabSplit):
        shares = {"train": split.train, "validation": split.validation, "test": split.test}
        return {name: list(cases) if shares[name] > 0 else [] for name in SPLITS}
    if isinstance(split, PatientSplit):
        return _explicit(site, split, cases)
    return _by_fraction(split, cases)


def _explicit(site: Site, split: PatientSplit, cases: Sequence[Case]) -> dict[str, list[Case]]:
    named = {name: getattr(split, name) for name in SPLITS}
    known = {case.patient for case in cases}
    listed = {patient for patients in named.values() for patient in patients}
    problems = []
    if unknown := sorted(listed - known):
        problems.append(
            Problem(
                f"{site.path}: key 'split'",
                "every patient named must have a case",
                f"no case of {', '.join(unknown)}",
                "correct the identifiers",
            )
        )
    if left_out := sorted(known - listed):
        problems.append(
            Problem(
                f"{site.path}: key 'split'",
                "every patient must be named",
                f"{', '.join(left_out)} in no split",
                "name them, or remove their cases from 'dataset'",
            )
        )
    # A patient in two splits alone is found with the problems of the volumes; see check_split.
    for patient in sorted(listed) if problems else ():
        if len(splits := [name for name in SPLITS if patient in named[name]]) > 1:
            problems.append(
                Problem(
                    f"{site.path}: key 'split'",
                    "a patient may be in one split only",
                    f"{patient} in {' and '.join(splits)}",
                    "remove it from all but one",
                )
            )
    if problems:
        raise ConfigError(problems)
    return {
        name: [case for case in cases if case.patient in set(patients)]
        for name, patients in named.items()
    }


def _by_fraction(split: FractionSplit, cases: Sequence[Case]) -> dict[str, list[Case]]:
    patients = sorted({case.patient for case in cases})
    order = numpy_generator("split", split.seed).permutation(len(patients))
    dealt = [patients[i] for i in order]
    counts: dict[str, int] = {}
    for name, share in (("test", split.test), ("validation", split.validation)):
        # A share above zero means at least one patient, where that leaves one to train on.
        count = max(round(share * len(patients)), 1 if share > 0 else 0)
        counts[name] = min(count, max(0, len(patients) - 1 - sum(counts.values())))
    chosen = {
        "test": set(dealt[: counts["test"]]),
        "validation": set(dealt[counts["test"] : counts["test"] + counts["validation"]]),
    }
    chosen["train"] = set(patients) - chosen["test"] - chosen["validation"]
    return {name: [c for c in cases if c.patient in chosen[name]] for name in SPLITS}
