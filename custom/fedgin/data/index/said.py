"""What a data set's labels lack, in words: refusals and notes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from fedgin.data.adapters.base import FoundCase, FoundData, LabelValue
from fedgin.data.adapters.search import shown
from fedgin.data.adapters.segment_naming import NOT_EVERYWHERE
from fedgin.data.adapters.structure_names import structure_of
from fedgin.data.index.counts import Counts
from fedgin.errors import ConfigError, Problem
from fedgin.sites.splits import FractionSplit, PatientSplit
from fedgin.tasks import TASKS, Task

_FIRST = 3
"""Cases that are named for one value."""
_MOST_VALUES = 50
_MOST_NAMES = 20
_MOST_REASON = 300


def check_names(
    root: Path,
    found: FoundData,
    labels: Mapping[str, LabelValue],
    *,
    other: Collection[int],
    counts: Counts | None,
) -> None:
    """Refuses values without a name: preparing would refuse every case that holds them.

    Args:
        root: The data set's root, for errors.
        found: The data set.
        labels: Label values by structure.
        other: Values that are background.
        counts: What the label files hold; None where they were not read.

    Raises:
        ConfigError: There are such values, and the first cases that hold each are named; or there
            is no structure at all.
    """
    if found.naming is not None and not labels:
        rule = "at least one structure must be in every label file"
        listed = " ".join(note for note in found.notes if note.startswith(NOT_EVERYWHERE))
        mend = "unite names with --label STRUCTURE=NAME, or say --may-lack STRUCTURE"
        raise ConfigError(Problem(str(root), rule, listed.rstrip(".") or "none", mend))
    unnamed = {} if counts is None else {v: c for v, c in counts.unnamed.items() if v not in other}
    problems = [
        Problem(
            str(root),
            f"a voxel must be annotated; {value} is the data set's ignore label (not annotated)",
            _held(value, unnamed.pop(value)),
            f"move these cases away, or let --other {value} take such voxels for background, "
            "which they may not be",
        )
        for value in found.ignored
        if value in unnamed
    ]
    if unnamed or not labels:
        listed = ", ".join(
            _held(value, cases) for value, cases in [*unnamed.items()][:_MOST_VALUES]
        )
        if len(unnamed) > _MOST_VALUES:
            listed += f" and {len(unnamed) - _MOST_VALUES} more"
        rule = "every label value must have a name"
        mend = "--label NAME=VALUE names one, --other VALUE makes one background, --other rest all"
        problems.append(Problem(str(root), rule, listed or "no label names at all", mend))
    if problems:
        raise ConfigError(problems)


def _held(value: int, cases: Sequence[str]) -> str:
    more = f" and {len(cases) - _FIRST} more" if len(cases) > _FIRST else ""
    return f"{value} ({len(cases)} cases: {', '.join(cases[:_FIRST])}{more})"


def reason_of(problems: Sequence[Problem]) -> str:
    """Says on one line why a case could not be read."""
    first = problems[0]
    reason = shown(f"{first.rule}; found {first.found}")
    return f"unreadable: {reason[:_MOST_REASON]}"


def notes_of(
    found: FoundData,
    chosen: Sequence[FoundCase],
    labels: Mapping[str, LabelValue],
    tasks: Sequence[Task],
    *,
    masks: Collection[str],
    split: PatientSplit | FractionSplit,
    counts: Counts | None,
) -> list[str]:
    """Says what a reader of the site's file should know, a sentence or two each.

    Args:
        found: The data set.
        chosen: Those of its cases that are listed.
        labels: Label values by structure.
        tasks: Tasks whose structures are looked for.
        masks: Of masks: names of those that are listed.
        split: Who trains, validates and tests.
        counts: What the label files hold; None where they were not read.
    """
    notes = []
    unreadable = len(counts.unreadable) if counts is not None else 0
    if others := len(found.cases) - len(chosen) - unreadable:
        notes.append(f"{others} cases of the other modality are not listed here.")
    splits = {case.split for case in chosen} - {None}
    if splits and "validation" not in splits:
        notes.append(
            "The data set's own split names no validation patients: a tenth of its training "
            "patients validate."
        )
    if splits and "test" not in splits:
        notes.append("The data set's own split names no test patients with labels.")
    # The headers of DICOM say whose a series is, no pattern.
    notes += _few_patients(chosen, split, by_name=found.form != "dicom")
    notes += _lacking(labels, tasks, foreign=_foreign_names(found, masks))
    if counts is not None and (never := [one.name for one in counts.structures if not one.cases]):
        notes.append(f"Never occurs in any case: {', '.join(never)}. Check the names and values.")
    return notes


def _few_patients(
    chosen: Sequence[FoundCase], split: PatientSplit | FractionSplit, *, by_name: bool
) -> list[str]:
    """Says whom a split by fraction leaves out where there are one or two patients."""
    patients = len({case.patient for case in chosen})
    if patients > 2 or not isinstance(split, FractionSplit):
        return []
    lacking = "no validation or test patients" if patients == 1 else "no validation patients"
    note = f"Warning: with {patients} patient{'s' * (patients > 1)} there will be {lacking}."
    if by_name and len(chosen) > patients == 1:
        note += f" All {len(chosen)} cases are one patient's: check `--patient` where they are not."
    return [note]


def _lacking(
    labels: Mapping[str, LabelValue], tasks: Sequence[Task], *, foreign: Sequence[str]
) -> list[str]:
    """Says what the labels lack for each task, and how a foreign name becomes one of the task's."""
    notes = []
    for task in tasks:
        lacking = [
            one.name
            for one in task.classes
            if one.name not in labels and not (one.parts and all(p in labels for p in one.parts))
        ]
        if lacking:
            notes.append(f"Task {task.name}: no label of {', '.join(lacking)}.")
    if notes and foreign:
        listed = ", ".join(foreign[:_MOST_NAMES])
        listed += f" and {len(foreign) - _MOST_NAMES} more" if len(foreign) > _MOST_NAMES else ""
        notes.append(
            f"No structure of a task by their names: {listed}. `--label STRUCTURE=NAME` says what "
            "one is, such as liver=Leber."
        )
    return notes


def _foreign_names(found: FoundData, masks: Collection[str]) -> list[str]:
    """Lists the names in SEG, RTSTRUCT or mask files that no task knows and nobody explained."""
    if found.naming is None:
        return [] if found.form != "masks" else _unknown(set(found.labels) - set(masks))
    explained = {
        name for key, names in found.naming.segments.items() if _known(key) for name in names
    }
    return _unknown({name for file in found.segment_names for name in file} - explained)


def _unknown(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if not _known(structure_of(name)))


def _known(structure: str) -> bool:
    return any(
        structure in (one.name, *one.parts) for task in TASKS.values() for one in task.classes
    )
