"""One row of the audit: an attack, what it does without the defence, and what with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A number that an attack gave.

    Attributes:
        name: What was measured.
        value: The number.
        unit: Its unit; empty for a count or a share.
        interval: Lower and upper end of its confidence interval, where there is one.
    """

    name: str
    value: float
    unit: str = ""
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class AuditRow:
    """The outcome of one attack.

    Attributes:
        attack: What was tried.
        without: Figures with the defence off.
        defended: Figures with the defence on.
        bound: What must hold, in words.
        holds: Whether it does.
        seconds: Wall time of the row.
    """

    attack: str
    without: tuple[Figure, ...]
    defended: tuple[Figure, ...]
    bound: str
    holds: bool
    seconds: float
