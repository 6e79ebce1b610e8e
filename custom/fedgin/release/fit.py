"""Whether a released model fits a job: the same task, and a network that takes its weights."""

from __future__ import annotations

import json
from typing import Any

from fedgin.engine.weights import set_weights
from fedgin.errors import Problem
from fedgin.networks import build_network, network_levels
from fedgin.release.card import ReleaseError
from fedgin.release.from_record import whole_settings
from fedgin.release.model_file import ReleasedModel
from fedgin.settings import ResolvedSettings, TrainingSettings

NETWORK_SETTINGS = (
    "task",
    "spatial_dims",
    "network",
    "normalization",
    "channels",
    "deep_supervision",
)


_COPY = "copy the release folder again, or use the version of fedgin that trained it"


def check_fit(
    released: ReleasedModel, settings: ResolvedSettings, *, where: str, own: bool = False
) -> None:
    """Compares a model's card and arrays with settings, a job's or the card's own.

    Settings that leave the network as it is, such as augmentation or steps, may differ. Spacing may
    where the network's levels stay what they are; see `fedgin.networks.strides`.

    Args:
        released: The model.
        settings: The settings.
        where: What errors should name: the model.
        own: Whether they are the card's own, which nobody can set.

    Raises:
        ReleaseError: Settings or classes differ; both values are named.
        WeightsError: The network has other arrays.
    """
    theirs, ours = released.card.settings, whole_settings(settings)
    problems = [
        Problem(
            where,
            f"the model's '{name}' must be the {'task' if own else 'job'}'s, "
            f"{_text(getattr(ours, name))}",
            _text(getattr(theirs, name)),
            _COPY
            if own
            else f"set it by `--set {name}={_text(getattr(theirs, name))}`, or use another model",
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
                _COPY
                if own
                else f"set them by `--set 'classes={_text(released.card.class_names)}'`, or use "
                "the version of fedgin that trained it",
            )
        )
    if not problems:
        problems += _levels_problem(theirs, settings, where=where)
    if problems:
        raise ReleaseError(problems)
    set_weights(build_network(settings), released.weights)


def _levels_problem(
    theirs: TrainingSettings, settings: ResolvedSettings, *, where: str
) -> list[Problem]:
    found, wanted = network_levels(theirs.resolve()), network_levels(settings)
    if found == wanted:
        return []
    return [
        Problem(
            where,
            "at the job's spacing the network must be halved as the model's, by "
            f"{_text(found.strides)}",
            f"{_text(wanted.strides)} at spacing {_text(settings.geometry.spacing)}",
            f"set a spacing of like proportions, as the model's {_text(theirs.spacing)}",
        )
    ]


def _has_two_sets(training: TrainingSettings) -> bool:
    return training.augmentation == "dual_normalization"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
