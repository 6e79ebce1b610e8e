"""Small groups of patients: their figures by class stay at the site.

The mean of one patient is that patient's value, and mean and spread of two are both values. Where
fewer patients than the site's `smallest_group` have a figure, it is left out of the message that
the server gets, and with it of TensorBoard, the report and the model's card.

The mean Dice over classes is always sent, because the best model is chosen by it. It is taken over
the classes that are reported, so that no class left out follows from it by subtraction; where none
is, over all of them. In a task of one class it then is that class's mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgin.metrics.summary import Summary


@dataclass(frozen=True)
class Reported:
    """What may be told of a set of patients.

    Attributes:
        dice: Mean over classes; None where unknown.
        per_class: Mean Dice by class; None where it is unknown or withheld.
        summary: Summaries by class and metric; a class's is empty where withheld.
        withheld: Names of the classes of which something known is withheld.
    """

    dice: float | None
    per_class: dict[str, float | None]
    summary: dict[str, dict[str, Summary]]
    withheld: tuple[str, ...]

    def message(self) -> dict[str, Any]:
        """Returns the plain values that are sent, without the number of cases."""
        sent: dict[str, Any] = {"dice": self.dice, "per_class": self.per_class}
        return {**sent, "summary": self.summary} if self.summary else sent


def report_groups(
    *,
    per_class: Mapping[str, float],
    patients: Mapping[str, int],
    summary: Mapping[str, Mapping[str, Summary]],
    smallest: int,
) -> Reported:
    """Leaves out what stands on too few patients.

    Args:
        per_class: Mean Dice by class; nan where unknown.
        patients: By class the number of patients that have a Dice.
        summary: Summaries by class and metric.
        smallest: Patients that a group must have; 1 leaves nothing out.
    """
    known = {name: value for name, value in per_class.items() if not math.isnan(value)}
    told = {name: value for name, value in known.items() if patients[name] >= smallest}
    kept = {
        name: {metric: part for metric, part in parts.items() if _may_be_told(part, smallest)}
        for name, parts in summary.items()
    }
    withheld = [
        name
        for name in per_class
        if (name in known and name not in told)
        or len(kept.get(name, ())) < len(summary.get(name, ()))
    ]
    return Reported(
        dice=_mean(list((told or known).values())),
        per_class={name: told.get(name) for name in per_class},
        summary=kept,
        withheld=tuple(withheld),
    )


def _may_be_told(part: Summary, smallest: int) -> bool:
    return part["count"] == 0 or part["count"] >= smallest


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
