"""Which cases, structures and splits of a data set go into a site's file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fedgin.data.adapter_cases import made_cases, of_modality, task_structures
from fedgin.data.adapters.base import FoundCase, FoundData, LabelValue
from fedgin.data.check_splits import check_split
from fedgin.errors import ConfigError, DataError, Problem
from fedgin.sites.splits import FractionSplit, OwnSplit, PatientSplit
from fedgin.tasks import Task


def choose_modality(
    found: FoundData, *, root: Path, modality: str | None
) -> tuple[str, list[FoundCase]]:
    """Returns the modality of the site and its cases.

    Args:
        found: The data set.
        root: Its root, for errors.
        modality: What the user chose; None where the data set has one only.

    Raises:
        ConfigError: The data set has both, or says nothing, and none was chosen; or none of the
            cases is of the chosen one.
    """
    counts = Counter(case.modality for case in found.cases)
    said = ", ".join(f"{counts[name]} {name}" for name in ("CT", "MR") if counts[name])
    if unsaid := counts[None]:
        said += f"{', ' if said else ''}{unsaid} of unknown modality"
    mend = "choose one with --modality CT or --modality MR"
    if modality is None:
        named = [name for name in ("CT", "MR") if counts[name]]
        if len(named) != 1 or unsaid:
            rule = "a site's file is for one modality"
            raise ConfigError(Problem(str(root), rule, f"cases: {said}", mend))
        modality = named[0]
    chosen = of_modality(found.cases, modality)
    if not chosen:
        rule = f"the data set must have cases of {modality}"
        raise ConfigError(Problem(str(root), rule, f"cases: {said}", mend))
    return modality, chosen


def with_patients(found: FoundData, pattern: str) -> FoundData:
    """Takes the patients from the cases' names, where scans of one patient share a part of them.

    Args:
        found: The data set.
        pattern: Regular expression with one group.

    Raises:
        ConfigError: The expression is no such one, or does not fit the names of cases; or these are
            DICOM series, which say themselves whose they are.
    """
    if found.form == "dicom":
        rule, there = "a DICOM series says itself whose it is", f"'{pattern}'"
        raise ConfigError(Problem("--patient", rule, there, "leave it out"))
    mend = r"write one such as '(.+)_visit\d+'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        rule = "a regular expression must compile"
        raise ConfigError(Problem("--patient", rule, f"'{pattern}': {error}", mend)) from None
    if compiled.groups != 1:
        rule = "a regular expression must have one group"
        raise ConfigError(Problem("--patient", rule, f"'{pattern}'", mend))
    matches = [(case, compiled.search(case.name)) for case in found.cases]
    if unlike := [case.name for case, match in matches if match is None or not match.group(1)]:
        more = f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
        rule = f"every case's name must show its patient ({pattern})"
        raise ConfigError(Problem("--patient", rule, ", ".join(unlike[:5]) + more, mend))
    cases = tuple(replace(case, patient=match.group(1)) for case, match in matches if match)
    return replace(found, cases=cases)


def choose_structures(
    files: Mapping[str, Sequence[str]], tasks: Sequence[Task], *, root: Path
) -> tuple[dict[str, LabelValue], dict[str, int]]:
    """Chooses the masks that the tasks need, with values 1, 2, ... in the tasks' order.

    Args:
        files: Names of the masks of each structure.
        tasks: The tasks.
        root: The data set's root, for errors.

    Returns:
        The value or values of each structure, and the value of each mask.

    Raises:
        ConfigError: The data set has none of them.
    """
    labels = {name: number for number, name in enumerate(files, start=1)}
    names = dict.fromkeys(name for task in tasks for name in _in_order(labels, task))
    if not names:
        wanted = ", ".join(task.name for task in tasks)
        found = ", ".join(list(labels)[:20]) or "no mask that every case has"
        rule = f"the masks must be of structures of a task ({wanted})"
        mend = "say what a mask is with --label STRUCTURE=NAME, or choose another task or data set"
        raise ConfigError(Problem(str(root), rule, found, mend))
    masks = {
        file: value
        for value, file in enumerate((file for name in names for file in files[name]), start=1)
    }
    values = {name: tuple(masks[file] for file in files[name]) for name in names}
    return {name: v[0] if len(v) == 1 else v for name, v in values.items()}, masks


def _in_order(labels: Mapping[str, int], task: Task) -> list[str]:
    needed = task_structures(labels, task)
    order = [name for one in task.classes for name in (one.name, *one.parts)]
    return [name for name in order if name in needed]


def choose_split(
    found: FoundData, chosen: Sequence[FoundCase], *, root: Path
) -> PatientSplit | FractionSplit:
    """Returns the data set's own split as lists of patients; a split by fraction where it has none.

    Where the data set's own split names no validation patients, some of its training patients
    validate; see `OwnSplit`.

    Raises:
        DataError: The data set puts scans of one patient into several splits.
    """
    if not any(case.split for case in chosen):
        return FractionSplit()
    from fedgin.data.split import SPLITS, own_split

    cases = made_cases(found, chosen, root=root, structures={}, own_split=True)
    dealt = own_split(OwnSplit(), cases)
    problems = check_split(
        {name: [(case.name, case.patient) for case in dealt[name]] for name in SPLITS},
        training=None,
    )
    if problems:
        raise DataError(problems)
    patients = {name: tuple(dict.fromkeys(case.patient for case in dealt[name])) for name in SPLITS}
    return PatientSplit(by="patient", **patients)
