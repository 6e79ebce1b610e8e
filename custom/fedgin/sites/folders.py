"""Folders of a site's own, as its file names them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from fedgin.config import StrictModel

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def expand_variables(text: str) -> str:
    """Replaces each `${NAME}` by the environment variable of that name.

    Raises:
        ValueError: A variable is not set or empty.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match.group(1), "")
        if not found:
            raise ValueError(f"the environment variable {match.group(1)} must be set")
        return found

    return _VARIABLE.sub(value, text)


def own_state_folder() -> Path:
    """Names the user's folder for what must outlive every run and lies in no kit."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fedgin"


class _Folder(StrictModel):
    folder: str | None = None

    @field_validator("folder")
    @classmethod
    def _expand(cls, folder: str | None) -> str | None:
        return None if folder is None else expand_variables(folder)


class CacheSettings(_Folder):
    """Where prepared volumes are kept.

    Attributes:
        folder: Folder of the cache; by default `fedgin` in the user's cache folder.
        quota_gb: Size in GB above which the entries unused for longest are removed.
    """

    quota_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0


class StateSettings(_Folder):
    """Where a site keeps what it needs between rounds: optimizer, learning rate, own layers.

    Attributes:
        folder: A folder that outlives the run's own, so that a job can go on after a crash;
            `${NAME}` stands for an environment variable. By default the run's own folder.
        days: Days after which the state of a run that nobody has touched is removed.
    """

    days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0


class ModelSettings(_Folder):
    """Where a site keeps the models that federated runs released to it.

    Attributes:
        folder: A folder that outlives the run's own; `${NAME}` stands for an environment variable.
            By default the run's own folder.
    """


class LedgerSettings(_Folder):
    """Where a site keeps its ledger of what left it.

    Attributes:
        folder: A folder that outlives the runs; `${NAME}` stands for an environment variable. By
            default `ledger` in the site's kit, beside the runs' own folders.
    """


class SecretSettings(_Folder):
    """Where a site keeps the secret that its patients' hashes are made with.

    Attributes:
        folder: A folder that only the site reads; `${NAME}` stands for an environment variable. By
            default `fedgin` in the user's folder for state (`~/.local/state`).
    """
