"""The rules that show only among all cases: odd ones out, and what stands twice."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

from fedgin.check.finding import Finding
from fedgin.check.limits import FEWEST_FOR_SPACING, SPACING_DEVIATIONS, SPACING_FACTOR
from fedgin.check.structures import UNNAMED
from fedgin.check.subject import CheckedCase

AXES = ("left-right", "back-front", "feet-head")
MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution, the standard deviation in median absolute deviations."""


def check_set(cases: Sequence[CheckedCase], *, names: Iterable[str]) -> list[Finding]:
    """Compares the cases that could be read.

    Args:
        cases: The cases.
        names: Structures that the site's file names.
    """
    return [
        *_spacing(cases),
        *_never(cases, names),
        *_same_image(cases),
        *_same_label_map(cases),
        *_patient_in_two_splits(cases),
    ]


def _spacing(cases: Sequence[CheckedCase]) -> Iterator[Finding]:
    if len(cases) < FEWEST_FOR_SPACING:
        return
    for axis, direction in enumerate(AXES):
        logs = [math.log(case.facts.spacing[axis]) for case in cases]
        middle = median(logs)
        spread = MAD_TO_DEVIATION * median(abs(value - middle) for value in logs)
        limit = max(math.log(SPACING_FACTOR), SPACING_DEVIATIONS * spread)
        for case, value in zip(cases, logs, strict=True):
            if abs(value - middle) > limit:
                yield Finding(
                    "warning",
                    "spacing",
                    (case.name,),
                    f"{case.facts.spacing[axis]:.3g} mm {direction}; the set's median is "
                    f"{math.exp(middle):.3g} mm",
                    "check the header's unit, and that the case is of the set's kind",
                )


def _never(cases: Sequence[CheckedCase], names: Iterable[str]) -> Iterator[Finding]:
    seen = {name for case in cases for name in case.structures}
    for name in sorted(set(names) - seen - set(UNNAMED)) if cases else ():
        yield Finding(
            "warning",
            "never",
            (),
            f"{name} never occurs in any of {len(cases)} cases",
            "check the structure's value in the site's file, or leave it out there",
        )


def _same_image(cases: Sequence[CheckedCase]) -> Iterator[Finding]:
    for same in _groups(cases, lambda case: case.facts.image_hash):
        splits = sorted({case.split for case in same if case.split})
        dealt = f", in the splits {' and '.join(splits)}" if len(splits) > 1 else ""
        names = tuple(case.name for case in same)
        if len({case.patient for case in same}) > 1:
            yield Finding(
                "error",
                "one patient, two ids",
                names,
                f"{len(same)} cases of different patients hold the same image{dealt}",
                "give them one patient in the site's file, or remove all but one",
            )
        else:
            yield Finding(
                "error" if dealt else "warning",
                "same image",
                names,
                f"{len(same)} cases of one patient hold the same image{dealt}",
                "remove all but one: it would count more than once",
            )


def _same_label_map(cases: Sequence[CheckedCase]) -> Iterator[Finding]:
    labelled = [case for case in cases if case.structures]
    for same in _groups(labelled, lambda case: case.facts.label_hash):
        patients = {case.patient for case in same}
        images = {case.facts.image_hash for case in same}
        # Registered scans of one patient share a label map, and so do copies of an image.
        if len(patients) > 1 and len(images) > 1:
            yield Finding(
                "error",
                "same label map",
                tuple(case.name for case in same),
                f"{len(same)} cases of different patients and images have the same label map",
                "find out whose it is, and give the others their own",
            )


def _patient_in_two_splits(cases: Sequence[CheckedCase]) -> Iterator[Finding]:
    for same in _groups(cases, lambda case: case.patient):
        splits = sorted({case.split for case in same if case.split})
        if len(splits) > 1:
            yield Finding(
                "error",
                "splits",
                tuple(case.name for case in same),
                f"{len(same)} cases of one patient are in the splits {' and '.join(splits)}",
                "move all cases of the patient into one split",
            )


def _groups(
    cases: Iterable[CheckedCase], key: Callable[[CheckedCase], str]
) -> Iterator[list[CheckedCase]]:
    """Yields the cases that share a key, two or more."""
    found: defaultdict[str, list[CheckedCase]] = defaultdict(list)
    for case in cases:
        found[key(case)].append(case)
    yield from (same for same in found.values() if len(same) > 1)
