"""From a site's own label values to a task's classes, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fedgin.errors import ConfigError, Problem
from fedgin.sites.schema import LabelValues
from fedgin.structure_words import meant_structure
from fedgin.tasks import TASKS, Task, TaskClass


@dataclass(frozen=True)
class LabelMap:
    """What the values of a site's label maps mean for a task.

    Attributes:
        class_of: Class index (1 ... n) by label value; every other known value becomes 0: the
            background, or a class of `not_annotated`.
        names: Structure name by label value, of all values that may occur, 0 included.
        not_annotated: Names of the task's classes that the site's label maps do not have.
    """

    class_of: Mapping[int, int]
    names: Mapping[int, str]
    not_annotated: tuple[str, ...] = ()

    def to_classes(self, label: np.ndarray) -> np.ndarray:
        """Translates label values to class indices, uint8 of the same shape."""
        highest = max(int(label.max(initial=0)), max(self.class_of, default=0))
        table = np.zeros(highest + 1, dtype=np.uint8)
        for value, index in self.class_of.items():
            table[value] = index
        return table[label]


def build_label_map(
    *,
    labels: Mapping[str, LabelValues],
    other: tuple[int, ...],
    task: Task,
    where: str,
    partial: bool = False,
) -> LabelMap:
    """Matches a site's structure names with a task's classes.

    A class is matched by its own name or, where a site lists only its parts, by all of them.

    Args:
        labels: The site's values by structure name.
        other: Further values that are background for every task.
        task: The task.
        where: The site's file, for errors.
        partial: Whether the site may lack structures: one that only tests may, and one that trains
            where the run's `partial_labels` says so.

    Raises:
        ConfigError: The site lacks a structure of the task and may not; all that lack are listed.
    """
    values = {
        name: (entry,) if isinstance(entry, int) else tuple(entry) for name, entry in labels.items()
    }
    class_of: dict[int, int] = {}
    problems = []
    lacking = []
    for index, task_class in enumerate(task.classes, start=1):
        if task_class.name in values:
            members = [task_class.name]
        elif task_class.parts and all(part in values for part in task_class.parts):
            members = list(task_class.parts)
        else:
            lacking.append(task_class.name)
            problems.append(_missing(task_class.name, task_class.parts, values, task, where))
            continue
        for member in members:
            class_of.update(dict.fromkeys(values[member], index))
    if problems and not partial:
        raise ConfigError(problems)
    names = {0: "background", **dict.fromkeys(other, "other")}
    names.update({value: name for name, entry in values.items() for value in entry})
    return LabelMap(class_of=class_of, names=names, not_annotated=tuple(lacking))


def check_some_class(label_map: LabelMap, task: Task, *, where: str) -> None:
    """Checks that a site that trains has something to train on.

    Raises:
        ConfigError: It annotates no structure of the task.
    """
    if len(label_map.not_annotated) == len(task.classes):
        raise ConfigError(
            Problem(
                f"{where}: key 'labels'",
                f"a site that trains annotates at least one of {', '.join(task.class_names)}",
                "none of them",
                "add a structure with its value, or take the site out of the job",
            )
        )


def _missing(
    name: str, parts: tuple[str, ...], values: Mapping[str, object], task: Task, where: str
) -> Problem:
    meant = meant_structure(name, values)
    lacking = [part for part in parts if part not in values]
    need = f"'{name}'" + (f" or its parts (lacking {', '.join(lacking)})" if lacking else "")
    return Problem(
        f"{where}: key 'labels'",
        f"task '{task.name}' needs the label {need}",
        f"labels {', '.join(sorted(values)) or 'none'}"
        + (f" (is '{meant}' this structure?)" if meant else ""),
        _mend(values, task),
    )


def _mend(values: Mapping[str, object], task: Task) -> str:
    # A site without a single class of the task has nothing to leave the others unknown beside.
    if any(is_annotated(one, values) for one in task.classes):
        return (
            "add the structure with its value, run a job whose structures this site annotates, or "
            "let sites leave structures unknown: --set partial_labels=marginal"
        )
    fit = [
        other.name
        for other in TASKS.values()
        if any(is_annotated(one, values) for one in other.classes)
    ]
    them = f" (--task {fit[0]})" if fit else ""
    return f"add the structure with its value, or run a job of what this site annotates{them}"


def is_annotated(one: TaskClass, values: Mapping[str, object]) -> bool:
    """Tells whether labels have a class of a task, or all its parts."""
    return one.name in values or (bool(one.parts) and all(part in values for part in one.parts))
