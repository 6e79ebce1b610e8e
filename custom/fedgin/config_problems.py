"""What pydantic reports, as problems that name the key, the rule, the value and the mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from fedgin.errors import Problem

UNKNOWN_KEY, BROKEN_RULE = "unknown_key", "broken_rule"
UNION_TAGS = ("union_tag_invalid", "union_tag_not_found")
"""Pydantic's words for a key, such as `kind`, that chooses a schema and chooses none."""
NO_DEFAULT = "default_factory_not_called"
"""Pydantic's word for a default that was not computed, as another key is wrong."""
MAX_PROBLEMS = 200
"""Problems that a refusal lists; a file may break a rule in each of 100,000 places."""
MAX_FOUND, MAX_KEYS = 120, 6
_CORRECT = "correct the value"
_A_LIST = (
    "the value must be a list",
    "write it in brackets, such as [1, 2]; in a shell with the whole option in quotes and each "
    'word in quotes of its own: --set \'classes=["liver", "spleen"]\'',
)
_TYPES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "string_type": ("the value must be text", "put it in quotes"),
        "tuple_type": _A_LIST,
        "list_type": _A_LIST,
    }
)
"""Rule and mend where pydantic's words are those of Python's types."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Returns words that point from a misspelt name to the allowed one it is nearest to.

    Args:
        name: The name as the user wrote it.
        allowed: All names that would be right.
    """
    names = sorted(str(candidate) for candidate in allowed)
    close = close_name(name, names)
    return "allowed: " + ", ".join(names) if close is None else f"did you mean '{close}'?"


def close_name(name: str, names: Sequence[str]) -> str | None:
    """Returns the name that a misspelt one is nearest to; None where all are far."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return close[0] if close else None


def broken_rule(
    key: Sequence[str | int], *, rule: str, found: str, mend: str = _CORRECT
) -> InitErrorDetails:
    """Describes a broken rule that a validator of a whole model finds at some key of it.

    Args:
        key: Where the value stands, from the model on.
        rule: What must hold.
        found: What was found instead.
        mend: What the user can do about it.
    """
    context = {"rule": rule, "found": found, "mend": mend}
    error = PydanticCustomError(BROKEN_RULE, "{rule}", context)
    return InitErrorDetails(type=error, loc=tuple(key), input=found)


def problems_of(error: ValidationError, where: str) -> list[Problem]:
    """Turns what pydantic reports into problems.

    Args:
        error: Its report.
        where: The file or argument that the problems should name.
    """
    # A default that depends on other keys is not the user's to mend.
    items = [i for i in error.errors(include_url=False) if i["type"] != NO_DEFAULT]
    problems = [_problem(item, where) for item in items[:MAX_PROBLEMS]]
    if more := len(items) - len(problems):
        problems.append(
            Problem(where, "no rule may be broken", f"{more} more problems", "correct these first")
        )
    return problems


def _problem(item: Any, where: str) -> Problem:
    place, kind, context = _place(where, item["loc"]), item["type"], item.get("ctx", {})
    if kind == UNKNOWN_KEY:
        found = f"unknown {context['hints']}"
        return Problem(place, "only known keys are allowed", found, "correct the key")
    if kind == BROKEN_RULE:
        return Problem(place, context["rule"], context["found"], context["mend"])
    if kind == "missing":
        return Problem(place, "the key is required", "no such key", "add it")
    if kind in UNION_TAGS:
        return _no_schema(item, where)
    if kind in _TYPES:
        rule, mend = _TYPES[kind]
        return Problem(place, rule, _found(item.get("input"), rule), mend)
    message = item["msg"].removeprefix("Value error, ")
    return Problem(place, message, _found(item.get("input"), message), _CORRECT)


def _place(where: str, location: Sequence[str | int]) -> str:
    key = ".".join(str(part) for part in location)
    return f"{where}: key '{key}'" if key else where


def _no_schema(item: Any, where: str) -> Problem:
    """Says which words a key may hold that chooses among schemas."""
    context = item["ctx"]
    place = _place(where, [*item["loc"], context["discriminator"].strip("'")])
    if item["type"] == "union_tag_not_found":
        return Problem(place, "the key is required", "no such key", "add it")
    allowed = re.findall(r"'([^']*)'", context["expected_tags"])
    tag = str(context["tag"])
    rule = f"the value must be one of {', '.join(allowed)}"
    return Problem(place, rule, _cut(repr(tag)), nearest(tag, allowed))


def _found(value: Any, message: str) -> str:
    """Shows a value; of one with keys, those that the rule's message speaks of."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if not isinstance(value, Mapping) or not value:
        return _cut(repr(value))
    words = dict.fromkeys(re.findall(r"\w+", message))
    told = [word for word in words if word in value][:MAX_KEYS]
    if told:
        return ", ".join(f"{key} {_cut(repr(value[key]))}" for key in told)
    return _cut("keys " + ", ".join(map(str, value)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_FOUND else text[: MAX_FOUND - 3] + "..."
