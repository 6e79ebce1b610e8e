"""Adding up the cases of a site, and leaving no count that stands on few patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedgin.fingerprint.case_facts import CaseFacts


def total(facts: Sequence[CaseFacts], name: str, *, bins: int) -> np.ndarray:
    """Adds up one quantity over cases: int64, shape (bins,)."""
    counts = np.zeros(bins, dtype=np.int64)
    for case in facts:
        counts += case.counts[name]
    return counts


def grouped(facts: Sequence[CaseFacts], name: str, *, smallest: int) -> np.ndarray:
    """Adds up one quantity over cases so that every count stands on enough patients.

    Going up the bins, neighbours are put together until `smallest` patients or more have counts in
    them; what is left at the end joins the last group. A group's counts stand in the bin of its
    median count. So nothing is lost, no count is below the limit, and a percentile moves by no
    more than the width of a group. Where there are fewer patients in all, nothing is told.

    Args:
        facts: At least one case.
        name: The quantity.
        smallest: Patients that a count must stand on; 1 leaves every count where it is.
    """
    counts = total(facts, name, bins=len(facts[0].counts[name]))
    if smallest <= 1:
        return counts
    patients = [_patients(facts, name, index) for index in range(counts.size)]
    groups: list[list[int]] = []
    group: list[int] = []
    seen: set[str] = set()
    for index, found in enumerate(patients):
        group.append(index)
        seen |= found
        if len(seen) >= smallest:
            groups.append(group)
            group, seen = [], set()
    if not groups:
        return np.zeros_like(counts)
    groups[-1] += group
    result = np.zeros_like(counts)
    for group in groups:
        running = np.cumsum(counts[group])
        middle = int(np.searchsorted(running, running[-1] / 2))
        result[group[middle]] = running[-1]
    return result


def first_of_each_patient(facts: Sequence[CaseFacts]) -> list[CaseFacts]:
    """Keeps the first case of every patient, so that a patient counts once."""
    kept: dict[str, CaseFacts] = {}
    for case in facts:
        kept.setdefault(case.patient, case)
    return list(kept.values())


def _patients(facts: Sequence[CaseFacts], name: str, index: int) -> set[str]:
    return {case.patient for case in facts if case.counts[name][index] > 0}
