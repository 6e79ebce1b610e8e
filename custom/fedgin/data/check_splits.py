"""Checking that splits are disjoint: a patient seen in training must not be tested on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fedgin.errors import Problem


def check_split(
    splits: Mapping[str, Sequence[tuple[str, str]]], *, training: str | None = "train"
) -> list[Problem]:
    """Find cases and patients that stand in more than one split, and missing training cases.

    Args:
        splits: Split name -> its cases, each as (case, patient).
        training: Name of the split that must not be empty; None where nobody trains.

    Returns:
        All problems, none where the splits are sound.
    """
    if not any(splits.values()):
        found = f"no case in any of the splits {_names(splits)}"
        mend = "name at least one case in the site's file"
        return [Problem("splits", "a data set must have at least one case", found, mend)]
    problems = []
    if training is not None and not splits.get(training):
        sizes = ", ".join(f"{name}: {len(cases)}" for name, cases in splits.items())
        problems.append(
            Problem(
                f"split {training}",
                "the training split must have at least one case",
                f"no case ({sizes})",
                f"move cases into {training!r}",
            )
        )
    problems += _repeated_cases(splits)
    problems += _shared_patients(splits)
    return problems


def _repeated_cases(splits: Mapping[str, Sequence[tuple[str, str]]]) -> list[Problem]:
    places: dict[str, list[str]] = {}
    for name, cases in splits.items():
        for case, _ in cases:
            places.setdefault(case, []).append(name)
    mend = "keep the case in one split, once"
    return [
        Problem(case, "a case must stand in one split, once", f"it in {_counted(names)}", mend)
        for case, names in places.items()
        if len(names) > 1
    ]


def _shared_patients(splits: Mapping[str, Sequence[tuple[str, str]]]) -> list[Problem]:
    cases_of: dict[str, dict[str, list[str]]] = {}
    for name, cases in splits.items():
        for case, patient in cases:
            cases_of.setdefault(patient, {}).setdefault(name, []).append(case)
    rule = "all cases of a patient must stand in the same split"
    mend = "move all cases of the patient into one split"
    return [
        Problem(
            f"patient {patient}",
            rule,
            "; ".join(f"{name}: {', '.join(cases)}" for name, cases in by_split.items()),
            mend,
        )
        for patient, by_split in cases_of.items()
        if len(by_split) > 1
    ]


def _names(splits: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    return ", ".join(repr(name) for name in splits) or "(none given)"


def _counted(names: list[str]) -> str:
    return ", ".join(
        f"{name} ({count} times)" if count > 1 else name for name, count in Counter(names).items()
    )
