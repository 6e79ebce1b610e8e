"""What every intensity augmentation looks like to the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class Transform(Protocol):
    """Draws its parameters first, on the CPU, and applies them on the device of the batch.

    A draw can so be tested, logged and replayed from a seed, and every device gets the same one.
    """

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> Any:
        """Draws the parameters for a batch of shape (B, C, *spatial), 2D or 3D."""

    def apply(self, images: Tensor, draw: Any) -> Tensor:
        """Applies a draw; returns a new tensor of the same shape, dtype and device, no gradient."""
