"""Optimizer and learning rate of a site."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import nn

from fedgin.settings import TrainingSettings

FINAL_SHARE = 0.01
PLATEAU_PATIENCE = 5
PLATEAU_FACTOR = 0.5
PLATEAU_MARGIN = 1e-3


class EagerAdamW(torch.optim.AdamW):
    """torch's AdamW, which is never compiled and therefore does not load torch's compiler.

    torch's own methods carry decorators that import `torch._dynamo` at their first call: two
    seconds of every process that trains, and FLARE's simulator may start one for each task. Here
    the same methods are called without them; were the decorators to change, they would be torch's.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def build_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Builds AdamW. It is fused, which also lets loss scaling skip a step without a host sync."""
    return EagerAdamW(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )


class LearningRate:
    """The learning rate over a run, as a function of the step and of what validation showed.

    `cosine` falls from the peak to 1 % of it over all steps of the run (Loshchilov & Hutter, ICLR
    2017); `plateau` halves after five rounds without gain in validation Dice; `constant` stays.
    Whatever the schedule, the rate rises linearly from zero over the first share `warmup` of all
    steps: models of different sites then stay close enough to be averaged from the first round on.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        """Starts at the peak."""
        self._settings = settings
        self._best = -math.inf
        self._waited = 0
        self._factor = 1.0

    def at(self, *, step: int, total_steps: int) -> float:
        """Returns the rate for an optimizer step, counted over all rounds from 0."""
        peak = self._settings.learning_rate * self._warmth(step, total_steps)
        if self._settings.schedule == "cosine":
            progress = min(step / max(total_steps, 1), 1.0)
            share = 0.5 * (1 + math.cos(math.pi * progress))
            return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * share)
        return peak * self._factor

    def _warmth(self, step: int, total_steps: int) -> float:
        """Returns the share of the rate that a step has, in (0, 1]."""
        rising = self._settings.warmup * total_steps
        return min(1.0, (step + 1) / rising) if rising > 0 else 1.0

    def after_validation(self, dice: float) -> None:
        """Takes note of a round's validation Dice; nan is no information."""
        if self._settings.schedule != "plateau" or math.isnan(dice):
            return
        if dice > self._best + PLATEAU_MARGIN:
            self._best, self._waited = dice, 0
            return
        self._waited += 1
        if self._waited >= PLATEAU_PATIENCE:
            self._factor, self._waited = self._factor * PLATEAU_FACTOR, 0

    def state_dict(self) -> dict[str, Any]:
        """Returns what must survive between rounds."""
        return {"best": self._best, "waited": self._waited, "factor": self._factor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up where another process stopped."""
        self._best, self._waited = float(state["best"]), int(state["waited"])
        self._factor = float(state["factor"])
