"""A released model that a job carries: to start from, or to measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgin.errors import ConfigError, Problem
from fedgin.release.model_file import ReleasedModel, read_release, write_release

START_FOLDER = "start"
"""Folder below a job's `config` with the model's two files."""
EVALUATION_SETTINGS = frozenset({"overlap", "window_batch", "tolerance_mm"})
"""What an evaluation may set; all else is the model's."""


def find_model(config: Path, model: Path | None) -> ReleasedModel | None:
    """Reads the model that a job shall carry: the one named, or the one that it carries already.

    Args:
        config: The `config` folder of the job that is exported.
        model: A released model's folder or file.

    Raises:
        FedginError: The model is missing or damaged.
    """
    carried = config / START_FOLDER
    if model is None and not carried.is_dir():
        return None
    return read_release(carried if model is None else model)


def settings_of_model(released: ReleasedModel | None, *, job: Path) -> dict[str, Any]:
    """Returns the settings of a job that has none of its own: those of its model.

    Raises:
        ConfigError: There is no model.
    """
    if released is None:
        raise ConfigError(
            Problem(
                str(job),
                "this job takes its settings from the released model that it measures",
                "no model",
                "name one: `--from MODEL`, the release folder of a run or a site's copy of it",
            )
        )
    # The model's own values stand in the card; the plan that they came from is not measured again.
    return {**released.card.settings.model_dump(mode="json"), "plan": None}


def carry(released: ReleasedModel, config: Path) -> None:
    """Writes a model into a job's `config` folder."""
    write_release(config / START_FOLDER, released.content, released.card)
