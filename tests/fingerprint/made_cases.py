"""Small made-up cases, as counts and as volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedgin.data.labels import LabelMap, build_label_map
from fedgin.data.volume import LabelledVolume, Volume
from fedgin.fingerprint.case_facts import CaseFacts, case_facts
from fedgin.tasks import Task, get_task

ABDOMEN = get_task("abdomen")
ALL = {name: index for index, name in enumerate(ABDOMEN.class_names, start=1)}
MEMORY = "cuda-12"


def label_map(task: Task = ABDOMEN, *, names: Sequence[str] | None = None) -> LabelMap:
    """A site's labels: all structures of the task, or those named."""
    labels = {name: ALL.get(name, 1) for name in names or task.class_names}
    return build_label_map(labels=labels, other=(), task=task, where="test", partial=True)


def made_pair(
    seed: int, *, modality: str = "CT", shape: tuple[int, int, int] = (20, 18, 8)
) -> LabelledVolume:
    """A volume with a block for each structure, of intensities that differ by case."""
    generator = np.random.default_rng(seed)
    spacing = (*[generator.choice([0.7, 0.8, 1.0, 1.5])] * 2, generator.choice([1.0, 3.0, 5.0]))
    mean = generator.uniform(20, 120)
    image = generator.normal(mean, 40, shape).astype(np.float32)
    image[:2] = -1000 if modality == "CT" else 0
    if modality == "MR":
        image = np.abs(image) * 3
    label = np.zeros(shape, np.int16)
    for index in range(1, 7):
        low = 2 + 2 * index
        label[low : low + 2, 4 : 4 + int(generator.integers(1, 12)), 2:6] = index
    affine = np.diag([*spacing, 1.0])
    return LabelledVolume(image=Volume(image, affine), label=Volume(label, affine))


def made_case(
    seed: int, *, modality: str = "CT", patient: str | None = None, names: Sequence[str] = ()
) -> CaseFacts:
    """The counts of such a volume."""
    return case_facts(
        made_pair(seed, modality=modality),
        patient=patient or f"patient-{seed}",
        modality=modality,
        label_map=label_map(names=names or None),
        task=ABDOMEN,
    )


def made_cases(count: int, *, modality: str = "CT", first: int = 0) -> list[CaseFacts]:
    """The counts of several patients."""
    return [made_case(first + number, modality=modality) for number in range(count)]
