"""Numbers as text, and the table that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedgin.study.wording import signed

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        caption: What it shows.
        header: One text per column.
        rows: One text per column each.
        labels: Number of leading columns that name a row.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1


def mean_cell(entry: Entry | None, *, digits: int = 3) -> str:
    """Writes a mean with its interval, or why there is none."""
    if entry is None:
        return "not run"
    if entry["mean"] is None:
        return str(entry.get("status", "no value"))
    return with_interval(f"{entry['mean']:.{digits}f}", entry, digits)


def difference_cell(entry: Entry) -> str:
    """Writes a difference with its interval."""
    ends = (
        "one patient"
        if entry["n"] == 1
        else "no interval"
        if entry["low"] is None
        else f"{signed(entry['low'])}, {signed(entry['high'])}"
    )
    return f"{signed(entry['difference'])} [{ends}]"


def with_interval(text: str, entry: Entry, digits: int) -> str:
    """Adds the interval of an entry to a number."""
    if entry["low"] is None:
        return f"{text} [{'one patient' if entry['n'] == 1 else 'no interval'}]"
    return f"{text} [{entry['low']:.{digits}f}, {entry['high']:.{digits}f}]"


def number(value: float | None) -> str:
    """Writes a number, a dash for none."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def modality_cell(modality: str) -> str:
    """Writes a modality, "both" for all."""
    return "both" if modality == "all" else modality
