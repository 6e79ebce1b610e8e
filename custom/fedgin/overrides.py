"""`key=value` overrides of settings on a command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.documents import parse_json
from fedgin.errors import ConfigError, Problem


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Reads `key=value` texts; the value is JSON where it can be, else text.

    A dot reaches into a nested setting: `gin.probability=0.5`.

    Returns:
        A nested mapping.

    Raises:
        ConfigError: A text has no `=`, or a key stands twice.
    """
    nested: dict[str, Any] = {}
    for text in assignments:
        key, separator, value = text.partition("=")
        parts = key.strip().split(".")
        if not separator or not all(parts):
            raise ConfigError(
                Problem("--set", "an override is key=value", f"'{text}'", "write --set key=value")
            )
        node = nested
        for part in parts[:-1]:
            node = node.setdefault(part, {}) if isinstance(node, dict) else node
        if not isinstance(node, dict) or parts[-1] in node:
            raise ConfigError(
                Problem("--set", "a key may stand once", f"'{key}' again", "remove one of them")
            )
        node[parts[-1]] = _value(value.strip())
    return nested


def flatten(values: Mapping[str, Any], *, prefix: str = "") -> list[str]:
    """Writes a nested mapping as `key=value` texts that `parse_overrides` reads back."""
    texts: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            texts += flatten(value, prefix=f"{prefix}{key}.")
        else:
            texts.append(f"{prefix}{key}={json.dumps(value)}")
    return texts


def merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Returns base with overrides laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in overrides.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def _value(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:  # no JSON, or a number beyond what Python reads
        return text
