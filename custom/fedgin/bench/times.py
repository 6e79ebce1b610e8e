"""Timing several ways of doing the same, in turns, so that the machine's moods meet all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fedgin.engine.step_probe import synchronize


@dataclass(frozen=True)
class Times:
    """Wall times of one way, in seconds.

    Attributes:
        seconds: Each repeat's.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return float(np.median(self.seconds))

    @property
    def spread(self) -> float:
        """The range of the middle half of the repeats, as a share of the median."""
        low, high = np.percentile(self.seconds, (25, 75))
        return float((high - low) / self.median)


def take_turns(
    ways: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    warm_up: int = 1,
    device: torch.device | None = None,
) -> dict[str, Times]:
    """Times each way once per turn.

    Args:
        ways: What to time, by name.
        repeats: Turns that count.
        warm_up: Turns before these.
        device: A device whose work must end before the clock is read.

    Returns:
        Times by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + repeats):
        for name, way in ways.items():
            if device is not None:
                synchronize(device)
            start = time.perf_counter()
            way()
            if device is not None:
                synchronize(device)
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: Times(tuple(values)) for name, values in seconds.items()}
