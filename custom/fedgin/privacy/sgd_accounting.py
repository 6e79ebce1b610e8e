"""The privacy loss of steps that sample their units at random and add Gaussian noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Whole orders: their divergence is a finite sum, that of others need not converge."""
LARGEST_EPSILON = 1e6
"""An epsilon above this says nothing; it is given as infinite."""


@dataclass(frozen=True)
class SgdSteps:
    """Steps of one kind.

    Attributes:
        noise_multiplier: Standard deviation of the noise over the most that one unit adds.
        sampling_rate: Chance of each unit, independent of the others, to take part, in (0, 1].
        steps: Number of steps.
    """

    noise_multiplier: float
    sampling_rate: float
    steps: int


def sgd_epsilon(spent: Iterable[SgdSteps], *, delta: float) -> float:
    """Computes epsilon of all steps together, for data sets that differ by one unit more or less.

    Each step is the sampled Gaussian mechanism with Poisson sampling; its Renyi divergences add up
    over the steps (Mironov, Talwar and Zhang 2019, arXiv 1908.10530) and are turned into epsilon at
    `delta` (Canonne, Kamath and Steinke 2020, arXiv 2004.00010). The computation is that of
    dp-accounting. It is an upper bound, and holds against those who see every step.

    Args:
        spent: The steps.
        delta: In (0, 1).

    Returns:
        Epsilon; 0 where no step was taken, infinite above `LARGEST_EPSILON`.
    """
    taken = [steps for steps in spent if steps.steps > 0]
    if not taken:
        return 0.0
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant(ORDERS)  # adjacency: add or remove one
    for steps in taken:
        event = PoissonSampledDpEvent(steps.sampling_rate, GaussianDpEvent(steps.noise_multiplier))
        accountant.compose(event, steps.steps)
    epsilon = float(accountant.get_epsilon(delta))
    return epsilon if epsilon <= LARGEST_EPSILON else float("inf")
