"""What a round of training gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgin.engine.sgd_account import PrivacySpent
from fedgin.engine.weights import Weights
from fedgin.errors import FedginError, Problem


class TrainingError(FedginError):
    """Training went wrong in a way that going on would hide."""


@dataclass(frozen=True)
class RoundResult:
    """What a round gives.

    Attributes:
        difference: Weights after the round minus weights before it, float32.
        loss: Mean training loss; nan where, with `dp_sgd`, no step had data.
        learning_rate: Rate of the last step.
        steps: Optimizer steps.
        seconds: Wall time of the steps.
        control_difference: The change of the site's control, with algorithm `scaffold`.
        privacy: What training has cost so far, with `dp_sgd`.
    """

    difference: Weights
    loss: float
    learning_rate: float
    steps: int
    seconds: float
    control_difference: Weights | None = None
    privacy: PrivacySpent | None = None


def check_finite(loss: float, difference: Weights, *, round_number: int) -> None:
    """Checks loss and weights: the loss of the last step says nothing about the weights after it.

    Raises:
        TrainingError: A number is not finite.
    """
    if not (np.isfinite(loss) and all(np.isfinite(a).all() for a in difference.values())):
        raise TrainingError(
            Problem(
                f"round {round_number}",
                "training loss and weights must be finite",
                f"loss {loss}",
                "lower 'learning_rate', or check the intensities of the site's volumes",
            )
        )
