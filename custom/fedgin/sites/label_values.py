"""The values that a site gives to its structures: whole numbers, each of one structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import InitErrorDetails

from fedgin.config_problems import broken_rule

LabelValues = int | tuple[int, ...]

HIGHEST = 65535
_OWN = "give each structure values of its own, in one list where it has several"


def whole_or_list(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Reads an entry of `labels`; of the two forms that it may have one rule is told, not two."""
    try:
        entries = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(entry, bool) for entry in entries):
            raise ValueError  # to pydantic it is a number
        return handler(value)
    except (ValidationError, ValueError):
        rule = "a structure needs a whole number, or a list of them"
        found = repr(value)[:120]
        raise ValidationError.from_exception_data(
            "labels", [broken_rule((), rule=rule, found=found)]
        ) from None


def label_faults(entries: Mapping[tuple[str, ...], LabelValues]) -> list[InitErrorDetails]:
    """Finds all that is wrong with values that can be read.

    Args:
        entries: Values by the key that holds them: `labels` and a structure, or `other_labels`.
    """
    faults: list[InitErrorDetails] = []
    owner: dict[int, str] = {}
    for key, entry in entries.items():
        values = (entry,) if isinstance(entry, int) else entry
        if not values and len(key) > 1:
            mend = "name one, or remove the structure"
            rule = "a structure needs at least one value"
            faults.append(broken_rule(key, rule=rule, found="none", mend=mend))
        for value in values:
            if not 1 <= value <= HIGHEST:
                rule = f"label values are 1 to {HIGHEST}"
                mend = "leave 0 out: it is the background" if value == 0 else "correct the value"
                faults.append(broken_rule(key, rule=rule, found=str(value), mend=mend))
            elif value in owner:
                rule = "a value may stand for one structure, once"
                found = f"{value}, which stands for '{owner[value]}' already"
                faults.append(broken_rule(key, rule=rule, found=found, mend=_OWN))
            else:
                owner[value] = key[-1]
    return faults
