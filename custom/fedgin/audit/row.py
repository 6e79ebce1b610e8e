"""A row of the audit's table: an attack, what it reaches without and with the defence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number of a row.

    Attributes:
        name: What was measured, and under which defence.
        value: The number; nan where it does not exist.
        unit: Its unit; empty for a pure number.
        interval: Lower and upper end of its interval, where it has one.
    """

    name: str
    value: float
    unit: str = ""
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class AuditRow:
    """An attack and its outcome.

    Attributes:
        attack: The attack in a few words.
        without: Figures with the defence off.
        defended: Figures with the defence on.
        bound: What must hold, as a sentence that names its numbers.
        holds: Whether it does. A row runs its attack with the defence off as well, and the bound
            asks that the attack succeeds there: so it cannot hold by an attack that never works.
        seconds: Wall time of the row.
    """

    attack: str
    without: tuple[Figure, ...]
    defended: tuple[Figure, ...]
    bound: str
    holds: bool
    seconds: float
