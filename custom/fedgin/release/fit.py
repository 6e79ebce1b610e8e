"""Whether a released model fits a job: the same task, and a network that takes its weights."""

from __future__ import annotations

import json
from typing import Any

from fedgin.engine.weights import set_weights
from fedgin.errors import Problem
from fedgin.networks import build_network
from fedgin.release.card import ReleaseError
from fedgin.release.from_record import whole_settings
from fedgin.release.model_file import ReleasedModel
from fedgin.settings import ResolvedSettings, TrainingSettings

NETWORK_SETTINGS = ("task", "spatial_dims", "network", "normalization", "channels")


def check_fit(released: ReleasedModel, settings: ResolvedSettings, *, where: str) -> None:
    """Compares a model's card and arrays with a job's settings.

    Settings that leave the network as it is, such as spacing, augmentation or steps, may differ.

    Args:
        released: The model.
        settings: The job's settings.
        where: What errors should name: the model.

    Raises:
        ReleaseError: Settings or classes differ; both values are named.
        WeightsError: The network has other arrays.
    """
    theirs, ours = released.card.settings, whole_settings(settings)
    problems = [
        Problem(
            where,
            f"the model's '{name}' must be the job's, {_text(getattr(ours, name))}",
            _text(getattr(theirs, name)),
            f"set it by `--set {name}={_text(getattr(theirs, name))}`, or use another model",
        )
        for name in NETWORK_SETTINGS
        if getattr(theirs, name) != getattr(ours, name)
    ]
    if _has_two_sets(theirs) != _has_two_sets(ours):
        problems.append(
            Problem(
                where,
                f"the model's network must be that of the job, augmentation {ours.augmentation}",
                f"that of augmentation {theirs.augmentation}",
                "dual_normalization goes with dual_normalization only",
            )
        )
    if theirs.task == ours.task and released.card.class_names != settings.task.class_names:
        problems.append(
            Problem(
                where,
                f"its classes must be those of the task, {_text(settings.task.class_names)}",
                _text(released.card.class_names),
                "use the version of fedgin that trained it",
            )
        )
    if problems:
        raise ReleaseError(problems)
    set_weights(build_network(settings), released.weights)


def _has_two_sets(training: TrainingSettings) -> bool:
    return training.augmentation == "dual_normalization"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
