"""From what people call a segment to what a task calls the structure."""

from __future__ import annotations

from fedgin.structure_words import structure_key
from fedgin.tasks import TASKS


def structure_of(name: str) -> str:
    """Finds the structure that a segment's name means.

    `Kidney_R`, `right kidney` and `KIDNEY-RT` are a task's `kidney_right`, `Gall bladder` its
    `gallbladder`. A name that means no task's structure stands for itself.

    Args:
        name: Name of a segment or ROI.
    """
    known = {
        structure_key(structure): structure
        for task in TASKS.values()
        for one in task.classes
        for structure in (one.name, *one.parts)
    }
    return known.get(structure_key(name), name)
