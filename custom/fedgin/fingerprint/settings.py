"""The settings of a fingerprint job."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from fedgin.config import StrictModel, nearest, parse, read_mapping
from fedgin.tasks import TASKS

FINGERPRINT_SETTINGS_FILE = "fingerprint_settings.json"


class FingerprintSettings(StrictModel):
    """What is counted, and for what a plan is made.

    Attributes:
        task: Name of the task whose structures are counted.
        spatial_dims: Whether the plan is for slices (2) or volumes (3); the counts serve both.
    """

    task: str
    spatial_dims: Literal[2, 3] = 2

    @field_validator("task")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in TASKS:
            raise ValueError(f"the task must be known ({nearest(name, TASKS)})")
        return name


def read_fingerprint_settings(folder: Path) -> FingerprintSettings:
    """Reads the settings in a job's `config` folder.

    Raises:
        ConfigError: The file is missing or breaks the schema.
    """
    file = folder / FINGERPRINT_SETTINGS_FILE
    return parse(FingerprintSettings, read_mapping(file), where=str(file))
