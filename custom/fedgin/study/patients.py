"""From rows to one number per patient, alone and in pairs.

A patient's number is the mean, over the runs that were tested on the patient (training sites and
seeds), of the mean over classes that have a value. A structure that is absent or not annotated has
no value; a missed or an invented one has the worst.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedgin.study.rows import Row

Patient = tuple[str, str]
Run = tuple[str, int]


@dataclass(frozen=True)
class Pairs:
    """Two numbers per patient.

    Attributes:
        patients: Test site and hash of each patient, sorted.
        first: The first number of each.
        second: The second number of each.
    """

    patients: tuple[Patient, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]


def patient_means(rows: Iterable[Row]) -> dict[Patient, float]:
    """Returns one number per patient that has any value, sorted by site and patient."""
    per_patient: dict[Patient, list[float]] = defaultdict(list)
    for (patient, _), value in _run_means(rows).items():
        per_patient[patient].append(value)
    return {patient: _mean(values) for patient, values in sorted(per_patient.items())}


def paired_means(first: Sequence[Row], second: Sequence[Row]) -> Pairs:
    """Pairs the numbers of two sets of rows, for example of two augmentations.

    Only what both have counts: the same training sites, seed and patient, each with a value. A run
    that failed on one side so takes its counterpart out of the comparison.
    """
    one, other = _run_means(first), _run_means(second)
    shared: dict[Patient, list[tuple[float, float]]] = defaultdict(list)
    for key in one.keys() & other.keys():
        shared[key[0]].append((one[key], other[key]))
    patients = tuple(sorted(shared))
    return Pairs(
        patients=patients,
        first=tuple(_mean([a for a, _ in shared[patient]]) for patient in patients),
        second=tuple(_mean([b for _, b in shared[patient]]) for patient in patients),
    )


def _run_means(rows: Iterable[Row]) -> dict[tuple[Patient, Run], float]:
    values: dict[tuple[Patient, Run], list[float]] = defaultdict(list)
    for row in rows:
        if not math.isnan(row.value):
            key = ((row.test_site, row.patient), (row.train_sites, row.seed))
            values[key].append(row.value)
    return {key: _mean(found) for key, found in values.items()}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
