"""The training settings that differ from run to run: nobody sets them for a whole study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgin.augment.presets import PRESETS
from fedgin.errors import ConfigError, Problem

_OPTIONS = {"algorithm": "--algorithm", "seed": "--seeds"}


def own_settings() -> dict[str, str]:
    """Returns the settings that a run has of its own, and the option that governs each.

    Keys below a section are joined by a dot, such as `gin.consistency`.
    """
    presets = {key: "--augmentations" for values in PRESETS.values() for key in _flat(values)}
    return presets | _OPTIONS


def check_overrides(overrides: Mapping[str, Any]) -> None:
    """Refuses a `--set` of a setting that differs from run to run.

    Raises:
        ConfigError: There are such; every one is named, with the option to use instead.
    """
    options = own_settings()
    problems = [
        Problem(
            f"--set {key}",
            "the study sets it run by run",
            repr(value),
            f"use {options[key]}",
        )
        for key, value in _flat(overrides).items()
        if key in options
    ]
    if problems:
        raise ConfigError(problems)


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that all runs share: those without the runs' own."""
    own = own_settings()

    def without(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        return {
            key: without(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
            for key, value in values.items()
            if f"{prefix}{key}" not in own
        }

    return without(settings, "")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
