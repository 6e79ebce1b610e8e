"""Strict configuration: an unknown key is an error that names the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from fedgin.documents import CONFIGURATION, YAML, Bounds, parse_json, parse_yaml
from fedgin.errors import ConfigError, Problem
from fedgin.files import read_bounded

Model = TypeVar("Model", bound="StrictModel")

MAX_HINTS = 20
MAX_PROBLEMS = 200
"""Problems that a refusal lists; a file may break a rule in each of 100,000 places."""


class StrictModel(BaseModel):
    """Base of every schema: immutable, and it refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        unknown = [str(key) for key in data if key not in cls.model_fields]
        if not unknown:
            return handler(data)
        hints = "; ".join(
            f"'{key}' ({nearest(key, cls.model_fields)})" for key in unknown[:MAX_HINTS]
        )
        if len(unknown) > MAX_HINTS:
            hints += f"; and {len(unknown) - MAX_HINTS} more"
        error = PydanticCustomError("unknown_key", "only known keys are allowed", {"hints": hints})
        errors = [InitErrorDetails(type=error, loc=(), input=data)]
        try:
            # The known keys are checked all the same: no problem hides another.
            handler({key: value for key, value in data.items() if key in cls.model_fields})
        except ValidationError as others:
            errors += [_again(item) for item in others.errors()]
        raise ValidationError.from_exception_data(cls.__name__, errors)


def _again(item: Any) -> InitErrorDetails:
    """Makes an error that can be raised anew from one that pydantic reported."""
    context = item["ctx"] if item["type"] == "unknown_key" else None
    error = PydanticCustomError(item["type"], item["msg"], context)
    return InitErrorDetails(type=error, loc=item["loc"], input=item["input"])


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Returns words that point from a misspelt name to the allowed one it is nearest to.

    Args:
        name: The name as the user wrote it.
        allowed: All names that would be right.
    """
    names = sorted(str(candidate) for candidate in allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "allowed: " + ", ".join(names)


def parse(model: type[Model], data: Any, *, where: str) -> Model:
    """Validates plain data against a schema.

    Args:
        model: The schema.
        data: What a YAML or JSON file held.
        where: The file or argument that errors should name.

    Raises:
        ConfigError: With every violated rule.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_listed(error, where)) from None


def _listed(error: ValidationError, where: str) -> list[Problem]:
    items = error.errors(include_url=False)
    problems = [_problem(item, where) for item in items[:MAX_PROBLEMS]]
    if more := len(items) - len(problems):
        problems.append(
            Problem(where, "no rule may be broken", f"{more} more problems", "correct these first")
        )
    return problems


def _problem(item: Any, where: str) -> Problem:
    location = ".".join(str(part) for part in item["loc"])
    place = f"{where}: key '{location}'" if location else where
    if item["type"] == "unknown_key":
        hints = item["ctx"]["hints"]
        return Problem(place, "only known keys are allowed", f"unknown {hints}", "correct the key")
    if item["type"] == "missing":
        return Problem(place, "the key is required", "no such key", "add it")
    found = repr(item.get("input"))
    message = item["msg"].removeprefix("Value error, ")
    return Problem(
        place, message, found if len(found) < 120 else found[:117] + "...", "correct the value"
    )


def read_mapping(path: Path, *, bounds: Bounds | None = None) -> dict[str, Any]:
    """Reads a YAML or JSON file that must hold one mapping.

    Args:
        path: File whose suffix is .yaml, .yml or .json.
        bounds: How large the document may be; by default as a configuration of its kind.

    Raises:
        ConfigError: The file is missing, is no valid YAML or JSON, breaks a bound, repeats a key or
            holds no mapping; see `fedgin.documents`.
    """
    kind = "JSON" if path.suffix == ".json" else "YAML"
    bounds = bounds or (CONFIGURATION if kind == "JSON" else YAML)
    try:
        content = read_bounded(path, limit=bounds.size)
        data = (parse_json if kind == "JSON" else parse_yaml)(content, bounds=bounds)
    except FileNotFoundError:
        raise ConfigError(
            Problem(str(path), "the file must exist", "no such file", "check the path")
        ) from None
    except (OSError, yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            Problem(str(path), f"the file must be valid {kind}", reason[:500], "correct the syntax")
        ) from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(
            Problem(
                str(path),
                "the file must hold one mapping with text keys",
                type(data).__name__,
                "write 'key: value' lines",
            )
        )
    return data
