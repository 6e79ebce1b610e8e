"""How a benchmark is run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedgin.settings import ResolvedSettings


@dataclass(frozen=True)
class BenchOptions:
    """What all benchmarks are told.

    Attributes:
        settings: Settings of the job whose network and patch are measured.
        device: The device.
        repeats: Turns of what takes milliseconds; longer things take fewer.
    """

    settings: ResolvedSettings
    device: torch.device
    repeats: int = 15
