"""How a run trains where sites annotate different structures, and what cannot go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from fedgin.config import StrictModel

if TYPE_CHECKING:
    from fedgin.settings import TrainingSettings

PartialLabels = Literal["refuse", "background", "marginal"]


class DistillationSettings(StrictModel):
    """How much the model that a round starts from teaches; see `fedgin.losses.distillation`.

    Attributes:
        weight: Weight of the distillation in the last round, reached on a straight line from 0 in
            the first, whose model knows nothing; 0 trains without (up to 1 in arXiv 2308.04070).
        temperature: Temperature of the compared distributions (0.5 in arXiv 2308.04070).
    """

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    temperature: Annotated[float, Field(ge=0.1, le=100, allow_inf_nan=False)] = 0.5

    def weight_in(self, round_number: int, *, rounds: int) -> float:
        """Returns the weight in a round, counted from 0, of so many."""
        return self.weight * round_number / max(rounds - 1, 1)


def check_partial(training: TrainingSettings) -> None:
    """Checks that a run with distillation has something to distil.

    Raises:
        ValueError: It has not.
    """
    if training.distillation.weight and training.partial_labels != "marginal":
        raise ValueError(
            "distillation teaches the classes that a site leaves unknown: set "
            "partial_labels=marginal, or distillation.weight=0"
        )
