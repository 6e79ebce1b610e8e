"""Which of a phantom's structures a phantom site annotates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedgin.data.volume import LabelledVolume, Volume
from fedgin.errors import ConfigError, Problem
from fedgin.sites.lookup import Site
from fedgin.structure_words import nearest_structure
from fedgin.tasks import Task


def phantom_labels(site: Site, task: Task) -> Mapping[str, Any]:
    """Returns the structures that a phantom site annotates, with the phantom's own values.

    Args:
        site: A site of phantoms. Without `labels` it annotates everything; with them, what they
            list.
        task: The task.

    Raises:
        ConfigError: A name or value is none of the phantom's; all that are wrong are listed.
    """
    from fedgin.data.phantom import PHANTOM_LABELS

    whole = PHANTOM_LABELS[task.name]
    chosen = site.config.labels
    if chosen is None:
        return whole
    where = f"{site.path}: key 'labels"
    problems = [
        Problem(
            f"{where}.{name}'",
            "a phantom's labels name its own structures, with its own values",
            f"{name}: {entry}",
            f"write {name}: {whole[name]}" if name in whole else nearest_structure(name, whole),
        )
        for name, entry in chosen.items()
        if entry not in (whole.get(name), (whole.get(name),))
    ]
    if problems:
        raise ConfigError(problems)
    return chosen


def keep_values(pair: LabelledVolume, values: tuple[int, ...]) -> LabelledVolume:
    """Takes structures out of a label map, as if nobody had drawn them.

    Args:
        pair: Image and label map.
        values: Label values that stay; all others become 0.
    """
    label = pair.label
    kept = np.where(np.isin(label.array, values), label.array, 0).astype(label.array.dtype)
    return LabelledVolume(image=pair.image, label=Volume(kept, label.affine))
