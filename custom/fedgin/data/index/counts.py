"""How many cases hold each structure, and how much of it: every label file read once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from fedgin.data.adapters.base import LabelValue
from fedgin.data.case_summary import count_values
from fedgin.data.file_cases import FileCase
from fedgin.data.mask_cases import MaskCase, read_mask
from fedgin.data.nifti import read_nifti
from fedgin.data.sources import Case
from fedgin.data.volume import Volume
from fedgin.errors import DataError, Problem


@dataclass(frozen=True)
class StructureCount:
    """What a data set holds of a structure.

    Attributes:
        name: The structure.
        cases: Cases that hold it.
        millilitres: Its volume over all cases, in ml.
    """

    name: str
    cases: int
    millilitres: float

    @property
    def mean(self) -> float:
        """Its volume in ml in a case that holds it; 0 where none does."""
        return self.millilitres / self.cases if self.cases else 0.0


@dataclass(frozen=True)
class Counts:
    """What the label files of a data set hold.

    Attributes:
        structures: A count for each structure, in the order of the labels.
        unnamed: Values without a name, with the names of the cases that hold them.
        empty: Names of the cases that hold none of the structures.
        unreadable: What is wrong with the cases that could not be read, by name.
    """

    structures: tuple[StructureCount, ...]
    unnamed: Mapping[int, tuple[str, ...]]
    empty: tuple[str, ...]
    unreadable: Mapping[str, tuple[Problem, ...]]


@dataclass
class _Tally:
    cases: dict[int, list[str]] = field(default_factory=dict)
    millilitres: dict[int, float] = field(default_factory=dict)

    def add(self, case: str, volumes: Mapping[int, float]) -> None:
        for value, volume in volumes.items():
            self.cases.setdefault(value, []).append(case)
            self.millilitres[value] = self.millilitres.get(value, 0.0) + volume


def count_structures(
    cases: Sequence[Case],
    labels: Mapping[str, LabelValue],
    *,
    other: Sequence[int] = (),
    workers: int,
    on_case: Callable[[], None] = lambda: None,
) -> Counts:
    """Reads the label files of all cases, as many at a time as there are workers.

    Args:
        cases: The cases.
        labels: Label values by structure.
        other: Values that are background.
        workers: Threads; the memory is that of one label map for each.
        on_case: Called after each case.

    Returns:
        Counts over the cases that could be read.

    Raises:
        DataError: No case could be read; the label files are damaged or missing, all are listed.
    """
    values_of = {n: (v,) if isinstance(v, int) else v for n, v in labels.items()}
    named = set(chain.from_iterable(values_of.values()))
    by_value, by_name = _Tally(), dict.fromkeys(values_of, 0)
    unreadable: dict[str, tuple[Problem, ...]] = {}
    empty: list[str] = []
    for case, result in zip(cases, _read_all(cases, workers), strict=True):
        on_case()
        if not isinstance(result, dict):
            unreadable[case.name] = result
            continue
        by_value.add(case.name, result)
        for name, values in values_of.items():
            by_name[name] += any(value in result for value in values)
        if not named & set(result):
            empty.append(case.name)
    if len(unreadable) == len(cases):
        raise DataError(one for problems in unreadable.values() for one in problems)
    known = named | set(other)
    return Counts(
        structures=tuple(
            StructureCount(name, by_name[name], sum(by_value.millilitres.get(v, 0) for v in values))
            for name, values in values_of.items()
        ),
        unnamed={v: tuple(n) for v, n in sorted(by_value.cases.items()) if v not in known},
        empty=tuple(empty),
        unreadable=unreadable,
    )


Volumes = dict[int, float] | tuple[Problem, ...]
"""The ml of each value that occurs in a case, or what is wrong with its files."""


def _read_all(cases: Sequence[Case], workers: int) -> Iterator[Volumes]:
    """Reads cases in their order, as many at a time as there are workers.

    Threads do: they share the decompression, which is most of the work.
    """
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        yield from pool.map(_volumes, cases)
    finally:
        pool.shutdown(cancel_futures=True)


def _volumes(case: Case) -> Volumes:
    try:
        if isinstance(case, MaskCase):
            return _of_masks(case)
        if isinstance(case, FileCase):
            return _of_label(read_nifti(case.label, kind="label"))
        return _of_label(case.load().label)
    except DataError as error:
        return error.problems


def _of_label(label: Volume) -> dict[int, float]:
    millilitre = math.prod(label.spacing) / 1000
    return {value: n * millilitre for value, n in count_values(label).items() if value != 0}


def _of_masks(case: MaskCase) -> dict[int, float]:
    volumes: dict[int, float] = {}
    problems: list[Problem] = []
    for structure, path in case.mask_files().items():
        try:
            mask = read_mask(path)
        except DataError as error:
            problems += error.problems
            continue
        if inside := int(np.count_nonzero(mask.array)):
            volumes[case.values[structure]] = inside * math.prod(mask.spacing) / 1000
    if problems:
        raise DataError(problems)
    return volumes
