"""What a benchmark found: a figure, what it is compared with, and the mark it should reach."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fedgin.bench.times import Times
from fedgin.config import StrictModel

UNSTEADY = 0.2
"""Spread above which a figure says that it is unsteady."""


class Mark(StrictModel):
    """What a figure should be.

    Attributes:
        rule: Whether it should be at least or at most the value.
        value: In the figure's unit.
    """

    rule: Literal["at least", "at most"]
    value: float

    def reached(self, value: float) -> bool:
        """Tells whether a value keeps the rule."""
        return value >= self.value if self.rule == "at least" else value <= self.value


class Curve(StrictModel):
    """How a cost grows with the work.

    Attributes:
        name: Whose cost it is.
        work: What grows: sites or parameters.
        cost: What is paid: seconds or MiB.
        points: Work and cost, from the least work to the most.
    """

    name: str
    work: Literal["sites", "parameters"]
    cost: Literal["seconds", "MiB"]
    points: tuple[tuple[float, float], ...]

    @property
    def slope(self) -> float:
        """Returns b of cost = a work^b, by least squares of the logarithms."""
        work, cost = np.log(np.asarray(self.points, dtype=np.float64)).T
        return float(np.polyfit(work, cost, 1)[0])


class Figure(StrictModel):
    """One line of the benchmark's table.

    Attributes:
        group: Name of the benchmark that found it.
        name: What was measured.
        ours: What the package does it in, for people to read.
        against: What it is compared with, and that thing's figure.
        value: The figure.
        unit: "x": times as fast as, or as large as, what it is compared with; "%"; or "s".
        mark: What it should be; None where it is told for information.
        spread: The larger spread of the times that it comes from; None where nothing was repeated.
        note: What a reader should know besides.
        curves: What a picture shows of it.
    """

    group: str
    name: str
    ours: str
    against: str = ""
    value: float
    unit: Literal["x", "%", "s"]
    mark: Mark | None = None
    spread: float | None = None
    note: str = ""
    curves: tuple[Curve, ...] = ()

    @property
    def reached(self) -> bool | None:
        """Whether the mark is reached; None without one."""
        return None if self.mark is None else self.mark.reached(self.value)

    @property
    def steady(self) -> bool:
        """Whether its times lie close enough together to rely on it."""
        return self.spread is None or self.spread <= UNSTEADY


def speed_up(
    group: str,
    name: str,
    *,
    ours: Times,
    theirs: Times,
    against: str,
    at_least: float | None = None,
    note: str = "",
) -> Figure:
    """Makes the figure of how many times as fast as another way ours is."""
    return Figure(
        group=group,
        name=name,
        ours=text_of(ours.median),
        against=f"{against}: {text_of(theirs.median)}",
        value=theirs.median / ours.median,
        unit="x",
        mark=None if at_least is None else Mark(rule="at least", value=at_least),
        spread=max(ours.spread, theirs.spread),
        note=note,
    )


def text_of(seconds: float) -> str:
    """Writes a time in the unit that suits it."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} us"
    return f"{1e3 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
