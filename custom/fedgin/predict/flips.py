"""Which axes a flip ensemble mirrors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from fedgin.errors import ConfigError, Problem
from fedgin.settings import ResolvedSettings

_ARRAY_AXIS = {"x": 2, "y": 1, "z": 0}
Flip = tuple[int, ...]
"""Array axes of a (Z, Y, X) volume that are mirrored together."""


def ensemble_axes(settings: ResolvedSettings, asked: str | None) -> tuple[str, ...]:
    """Chooses the anatomical axes of a flip ensemble.

    A network meets mirrored patients in training only along the task's own axes. Along any other
    one it has never seen what it is given, and organs on a fixed side make it worse, so that such
    an axis is taken only when it is named.

    Args:
        settings: Settings of the model.
        asked: Axes as the user names them, such as "x,y"; None takes the task's own.

    Returns:
        Some of "x", "y" and "z".

    Raises:
        ConfigError: An axis is unknown or makes no difference, or the task has none of its own.
    """
    task, dims = settings.task, settings.training.spatial_dims
    useful = ("x", "y", "z")[:dims]
    if asked is None:
        axes = tuple(axis for axis in task.mirror_axes if axis in useful)
        if axes:
            return axes
        raise ConfigError(
            Problem(
                "--flip-ensemble",
                "the model must have been trained with mirrored patients",
                f"task '{task.name}', whose organs have a fixed side, trains without",
                "leave it out, or name the axes by --flip-axes, such as x, and measure what it "
                "does to Dice first",
            )
        )
    names = [part.strip() for part in asked.split(",")]
    if not set(names) <= set(useful) or len(set(names)) != len(names):
        raise ConfigError(
            Problem(
                "--flip-axes",
                f"axes must be among {', '.join(useful)} for a {dims}D model, each named once",
                f"'{asked}'",
                "correct the list, such as x,y",
            )
        )
    return tuple(names)


def flips_of(axes: Sequence[str]) -> tuple[Flip, ...]:
    """Lists every combination of axes, the one without any flip first."""
    numbers = [_ARRAY_AXIS[axis] for axis in axes]
    return tuple(
        chosen
        for count in range(len(numbers) + 1)
        for chosen in itertools.combinations(numbers, count)
    )
