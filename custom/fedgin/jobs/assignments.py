"""`--set` of a job: which keys may be set, and what the server's numbers may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.config import nearest
from fedgin.errors import ConfigError, Problem
from fedgin.overrides import parse_overrides


def checked_assignments(
    assignments: Sequence[str], server: Mapping[str, Any], *, allowed: set[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads overrides.

    Args:
        assignments: `key=value` texts.
        server: The server's configuration, whose top-level numbers may be set too.
        allowed: Other keys that may be set.

    Returns:
        Values of the allowed keys, and the server's numbers.

    Raises:
        ConfigError: A key is unknown, or a number is none; all are named.
    """
    tunable = {
        key
        for key, value in server.items()
        if isinstance(value, (int, float)) and key != "format_version"
    }
    allowed = allowed | tunable
    overrides = parse_overrides(assignments)
    problems = [
        Problem(
            "--set",
            "the key must be a setting",
            f"'{key}' ({nearest(key, allowed)})",
            "correct the key",
        )
        for key in overrides
        if key not in allowed
    ]
    problems += [
        Problem(
            f"--set {key}",
            f"the value must be a {_kind(server[key])} above 0",
            repr(value),
            "write a positive number",
        )
        for key, value in overrides.items()
        if key in tunable and not _is_such_number(value, server[key])
    ]
    if problems:
        raise ConfigError(problems)
    numbers = {key: value for key, value in overrides.items() if key in tunable}
    return {k: v for k, v in overrides.items() if k not in tunable}, numbers


def _is_such_number(value: object, example: float) -> bool:
    """Tells whether a value is a number above 0, and whole if the example is."""
    kinds = (int, float) if isinstance(example, float) else (int,)
    return not isinstance(value, bool) and isinstance(value, kinds) and value > 0


def _kind(value: object) -> str:
    return "whole number" if isinstance(value, int) else "number"
