"""Who trains, who chooses the best model, who only measures: by patient, never by slice."""

from __future__ import annotations

from collections.abc import Sequence

from fedgin.data.sources import Case
from fedgin.errors import ConfigError, Problem
from fedgin.seeding import numpy_generator
from fedgin.sites.data_sets import AdapterData
from fedgin.sites.lookup import Site
from fedgin.sites.splits import FractionSplit, OnlyTestSplit, OwnSplit, PatientSplit, SlabSplit

SPLITS = ("train", "validation", "test")


def split_cases(site: Site, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Deals a site's cases out to the splits.

    A data set that brings its own split keeps it, but where the site says that all patients test.
    A slab split gives every case to every split; the slices are divided later.

    Raises:
        ConfigError: An explicit split names an unknown patient or leaves one out, or the data set's
            own is wanted and it has none.
    """
    split = _meant(site, cases)
    if isinstance(split, OnlyTestSplit):
        return {"train": [], "validation": [], "test": list(cases)}
    if any(case.fixed_split for case in cases):
        kept = split if isinstance(split, OwnSplit) else OwnSplit(validation=0)
        return own_split(kept, cases)
    if isinstance(split, OwnSplit):
        rule = "'by: own' needs a data set that comes with a split"
        mend = "write 'by: fraction', or lists of patients"
        raise ConfigError(Problem(f"{site.path}: key 'split'", rule, "none", mend))
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
                "correct the identifiers, and remove those whose cases are excluded",
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


def own_split(split: OwnSplit, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Deals cases out as their data set does.

    Args:
        split: Which share of the training patients validates where the data set names none.
        cases: Cases with a split of their own.
    """
    own = {name: [case for case in cases if case.fixed_split == name] for name in SPLITS}
    if own["validation"] or not split.validation:
        return own
    share = FractionSplit(validation=split.validation, test=0, seed=split.seed)
    return {**_by_fraction(share, own["train"]), "test": own["test"]}


def _meant(
    site: Site, cases: Sequence[Case]
) -> FractionSplit | PatientSplit | SlabSplit | OnlyTestSplit | OwnSplit:
    """Returns the split of the site's file, or the data set's own where the file has none."""
    named = "split" in site.config.model_fields_set
    own = isinstance(site.config.dataset, AdapterData) and any(case.fixed_split for case in cases)
    return OwnSplit() if own and not named else site.config.split


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
