"""Strict configuration: an unknown key is an error that names the nearest one."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
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

from fedgin.config_problems import (
    BROKEN_RULE,
    UNION_TAGS,
    UNKNOWN_KEY,
    broken_rule,
    problems_of,
)
from fedgin.config_problems import close_name as close_name
from fedgin.config_problems import nearest as nearest
from fedgin.documents import CONFIGURATION, YAML, Bounds, parse_json, parse_yaml
from fedgin.errors import ConfigError, Problem
from fedgin.files import read_bounded

Model = TypeVar("Model", bound="StrictModel")

MAX_HINTS = 20
_UNNAMED = re.compile(r' in "<(?:unicode|byte) string>",')
"""How PyYAML calls a text without a file's name; the problem has the name."""


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
        error = PydanticCustomError(UNKNOWN_KEY, "only known keys are allowed", {"hints": hints})
        errors = [InitErrorDetails(type=error, loc=(), input=data)]
        try:
            # The known keys are checked all the same: no problem hides another.
            handler({key: value for key, value in data.items() if key in cls.model_fields})
        except ValidationError as others:
            errors += [_again(item) for item in others.errors()]
        raise ValidationError.from_exception_data(cls.__name__, errors)


def _again(item: Any) -> InitErrorDetails:
    """Makes an error that can be raised anew from one that pydantic reported."""
    if item["type"] == BROKEN_RULE:
        return broken_rule(item["loc"], **item["ctx"])
    context = item.get("ctx") if item["type"] in (UNKNOWN_KEY, *UNION_TAGS) else None
    # A brace in a message would be taken for a place of the context's.
    error = PydanticCustomError(item["type"], item["msg"], context)
    return InitErrorDetails(type=error, loc=item["loc"], input=item["input"])


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
        raise ConfigError(problems_of(error, where)) from None


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
    except OSError as error:
        raise ConfigError(_unreadable(path, error, bounds)) from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(_UNNAMED.sub("", str(error)).split()) or type(error).__name__
        too_large = reason.startswith(("more than", "nested more"))
        mend = "make the file smaller" if too_large else _mend_of_syntax(reason)
        raise ConfigError(
            Problem(str(path), f"the file must be valid {kind}", reason[:500], mend)
        ) from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(
            Problem(
                str(path),
                "the file must hold one mapping with text keys",
                type(data).__name__,
                "write 'key: value' lines" if kind == "YAML" else 'write {"key": value, ...}',
            )
        )
    return data


def _mend_of_syntax(reason: str) -> str:
    if "scanning an alias" in reason:
        return "put a pattern that begins with * in quotes"
    if "codec can't decode" in reason:
        return "save the file as UTF-8"
    return "correct the syntax"


def _unreadable(path: Path, error: OSError, bounds: Bounds) -> Problem:
    if error.errno == errno.EFBIG:
        rule = f"the file must have at most {bounds.size} bytes"
        mend = "make it smaller"
        if path.suffix != ".json":
            mend += "; a pattern or a JSON datalist may stand for a long list of cases"
        return Problem(str(path), rule, f"{path.stat().st_size} bytes", mend)
    mend = "name a file that can be read, or correct its permissions"
    return Problem(str(path), "the file must be readable", error.strerror or str(error), mend)
