"""Numbers as parts of a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SPACE = "\N{NO-BREAK SPACE}"


def signed(value: float, digits: int = 3) -> str:
    """Writes a difference with its sign, a true minus included."""
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def interval(entry: Mapping[str, Any], *, difference: bool = False) -> str:
    """Writes n and the 95 % interval of an entry, or why there is none."""
    n = entry["n"]
    if entry.get("low") is None or entry.get("high") is None:
        return "one patient, no interval" if n == 1 else f"no interval, {count(n)}"
    low, high = (
        signed(entry[key]) if difference else f"{entry[key]:.3f}" for key in ("low", "high")
    )
    return f"95{SPACE}% interval {low} to {high}, {count(n)}"


def count(n: int) -> str:
    """Writes a number of patients that no line break tears apart."""
    return f"n{SPACE}={SPACE}{n}{SPACE}patient{'' if n == 1 else 's'}"


def p_text(p: float | None) -> str:
    """Writes a p-value."""
    if p is None:
        return "none"
    return f"<{SPACE}0.001" if p < 0.001 else f"{p:.3f}"
