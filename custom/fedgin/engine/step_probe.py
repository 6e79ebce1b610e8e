"""Taking a few real training steps to see what they cost."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from fedgin.engine.optimization import build_optimizer
from fedgin.engine.trainer import Trainer

WARM_UP = 2
MOST_SECONDS = 20.0


@dataclass(frozen=True)
class StepProbe:
    """What a training step was seen to cost.

    Attributes:
        seconds: Median wall time of drawing, augmenting and training on one batch.
        steps: Steps that were timed.
        peak_bytes: The most memory that torch held on a CUDA device; None elsewhere.
    """

    seconds: float
    steps: int
    peak_bytes: int | None


def synchronize(device: torch.device) -> None:
    """Waits until a CUDA device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def probe_steps(trainer: Trainer, *, repeats: int) -> StepProbe:
    """Takes real optimizer steps with a trainer whose weights nobody needs any more.

    Args:
        trainer: A trainer of a run without a federation: no control is needed.
        repeats: Steps to time at most; fewer where they take long.

    Raises:
        torch.OutOfMemoryError: The device's memory does not hold a step.
    """
    device = trainer.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    optimizer = build_optimizer(trainer.network, trainer.settings.training)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    trainer.network.train()
    times: list[float] = []
    begun = time.perf_counter()
    for number in range(WARM_UP + repeats):
        synchronize(device)
        start = time.perf_counter()
        trainer.take_step(0, number, optimizer, scaler)
        synchronize(device)
        times.append(time.perf_counter() - start)
        if len(times) > WARM_UP and time.perf_counter() - begun > MOST_SECONDS:
            break
    timed = times[WARM_UP:]
    return StepProbe(
        seconds=statistics.median(timed),
        steps=len(timed),
        peak_bytes=torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
    )
