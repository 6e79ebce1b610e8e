"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Writes a number before the noun that it counts, `1 case` and `2 cases`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
