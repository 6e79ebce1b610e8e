"""Values of a data set's elements: present, of the right number, finite; or the fault by name."""

from __future__ import annotations

import math
from typing import Any

from fedgin.data.dicom.stream import reason

MISSING = "a DICOM file must have the elements that its voxels and their places are read from"
WRONG = "an element must hold a value of its kind"
EXPORT = "export the series again from the PACS, without removing these elements"

Fault = tuple[str, str, str]
"""Rule, what was found, mend."""


class TagError(Exception):
    """An element is missing or holds something else.

    Attributes:
        fault: What to tell.
    """

    def __init__(self, rule: str, found: str, mend: str = EXPORT) -> None:
        """Keeps the fault."""
        self.fault: Fault = (rule, found, mend)
        super().__init__(found)


def value(data_set: Any, keyword: str) -> Any:
    """Returns an element's value, None where it is missing or empty.

    Raises:
        TagError: Its bytes are no value of its kind.
    """
    try:
        found = data_set.get(keyword)
        return None if isinstance(found, (str, bytes)) and not found else found
    except Exception as error:  # converting damaged bytes fails in every way
        raise TagError(WRONG, f"{keyword}: {reason(error)}") from None


def text(data_set: Any, keyword: str, *, needed: bool = False) -> str:
    """Returns an element as text, empty where it is missing.

    Raises:
        TagError: It is missing though needed, or damaged.
    """
    found = value(data_set, keyword)
    if found is None:
        if needed:
            raise TagError(MISSING, f"no {keyword}")
        return ""
    return str(found).strip(" \0")


def syntax_of(data_set: Any) -> Any:
    """Returns the transfer syntax, a `pydicom.uid.UID`; an empty one where the file says none.

    Raises:
        TagError: The element is damaged.
    """
    from pydicom.uid import UID

    return UID(text(getattr(data_set, "file_meta", {}), "TransferSyntaxUID"))


def texts(data_set: Any, keyword: str) -> tuple[str, ...]:
    """Returns an element of several texts, none where it is missing.

    Raises:
        TagError: It is damaged.
    """
    found = value(data_set, keyword)
    if found is None:
        return ()
    single = isinstance(found, str) or not hasattr(found, "__iter__")
    return tuple(str(part).strip(" \0") for part in ([found] if single else found))


def numbers(data_set: Any, keyword: str, count: int) -> tuple[float, ...]:
    """Returns an element of so many finite numbers.

    Raises:
        TagError: It is missing or holds something else.
    """
    found = value(data_set, keyword)
    if found is None:
        raise TagError(MISSING, f"no {keyword}")
    try:
        parts = [found] if isinstance(found, (str, int, float)) or count == 1 else list(found)
        values = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        raise TagError(WRONG, f"{keyword} {str(found)[:80]!r}") from None
    if len(values) != count or not all(math.isfinite(number) for number in values):
        raise TagError(WRONG, f"{keyword} {values[:9]}, not {count} finite")
    return values


def number(data_set: Any, keyword: str, *, default: float | None = None) -> float:
    """Returns an element of one finite number.

    Raises:
        TagError: It is missing and there is no default, or holds something else.
    """
    if default is not None and value(data_set, keyword) is None:
        return default
    return numbers(data_set, keyword, 1)[0]


def whole(data_set: Any, keyword: str, *, default: int | None = None) -> int:
    """Returns an element of one integer.

    Raises:
        TagError: As for `number`, or the number has a fraction.
    """
    found = number(data_set, keyword, default=default)
    if found != int(found):
        raise TagError(WRONG, f"{keyword} {found:g}")
    return int(found)


def items(data_set: Any, keyword: str) -> list[Any]:
    """Returns the items of a sequence, none where it is missing.

    Raises:
        TagError: It is damaged or no sequence.
    """
    found = value(data_set, keyword)
    if found is None:
        return []
    if isinstance(found, (str, bytes)) or not hasattr(found, "__iter__"):
        raise TagError(WRONG, f"{keyword} is no sequence")
    return list(found)
