"""How long the models of a study train, by task and grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Budget:
    """Rounds and steps that every run of a study shares.

    Attributes:
        rounds: Rounds of a run; sites validate, and a federation averages, after each.
        steps_per_site: Optimizer steps of one site over all rounds. A model of n sites takes n
            times as many, pooled or federated.
    """

    rounds: int
    steps_per_site: int

    @property
    def steps_per_round(self) -> int:
        """Optimizer steps of one site in one round."""
        return self.steps_per_site // self.rounds


BUDGETS: Mapping[str, Mapping[str, Budget]] = MappingProxyType(
    {
        # Many short rounds: after long ones the sites' models have drifted apart.
        "heart": MappingProxyType({"quick": Budget(8, 240), "study": Budget(40, 400)}),
        "abdomen": MappingProxyType({"quick": Budget(8, 480), "study": Budget(50, 1000)}),
    }
)
"""Measured on two cores: see README for what each grid takes."""

SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Half the batch and twice the steps: better models for the same time.
        "heart": MappingProxyType({"batch_size": 4, "warmup": 0.1}),
        "abdomen": MappingProxyType({"batch_size": 4, "warmup": 0.1}),
    }
)
"""Training settings of a task's study that differ from the job's."""
