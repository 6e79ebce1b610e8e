"""The hash that a card's file carries of what decides, with the weights, what a model predicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

HASH_KEY = "settings_sha256"
"""A key of the file, not of the card: it is computed when a card is written."""
DECIDING = ("task", "class_names", "settings")


def settings_hash(content: Mapping[str, Any]) -> str:
    """Computes the hash of a card's task, classes and settings.

    It covers the values as they stand in the file, so that a version that knows more settings reads
    the same. Spaces, the order of keys and 2 for 2.0 change nothing: other programs write so.

    Args:
        content: The card as plain JSON values.
    """
    deciding = {key: _plain(content.get(key)) for key in DECIDING}
    text = json.dumps(deciding, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
