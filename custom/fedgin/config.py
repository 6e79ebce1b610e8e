"""Strict configuration: an unknown key is an error that names the nearest one."""

from __future__ import annotations

import difflib
import json
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

from fedgin.errors import ConfigError, Problem

Model = TypeVar("Model", bound="StrictModel")


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
        hints = "; ".join(f"'{key}' ({nearest(key, cls.model_fields)})" for key in unknown)
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
        raise ConfigError(_problem(item, where) for item in error.errors()) from None


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


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML or JSON file that must hold one mapping.

    Args:
        path: File whose suffix is .yaml, .yml or .json.

    Raises:
        ConfigError: The file is missing, is no valid YAML or JSON, repeats a key or holds no
            mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = (
            json.loads(text, object_pairs_hook=_unique_pairs)
            if path.suffix == ".json"
            else yaml.load(text, Loader=_UniqueKeyLoader)  # a SafeLoader subclass
        )
    except FileNotFoundError:
        raise ConfigError(
            Problem(str(path), "the file must exist", "no such file", "check the path")
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            Problem(str(path), f"the file must be valid {kind}", reason, "correct the syntax")
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


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a repeated key, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = [(self.construct_object(key, deep=True), value) for key, value in node.value]
        _unique_pairs([(str(key), None) for key, _ in pairs])
        return super().construct_mapping(node, deep=deep)


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key '{key}' stands twice")
        seen[key] = value
    return seen
