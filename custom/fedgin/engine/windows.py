"""How many windows a forward pass of the sliding window takes, where memory may run out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from fedgin.errors import FedginError, Problem

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class OutOfMemory(FedginError):
    """The device's memory does not hold a single window."""


class WindowBatch:
    """The number of windows of a forward pass: it falls where memory runs out, and stays there.

    A network without layers that look at the whole batch predicts the same whatever the number.

    Attributes:
        size: Windows of the next forward pass.
    """

    def __init__(self, size: int) -> None:
        """Starts with a number of windows, at least 1."""
        self.size = size

    def run(self, action: Callable[[int], Result], *, device: torch.device) -> Result:
        """Calls an action with the number of windows, with half as many as long as memory runs out.

        Args:
            action: Segments a volume with this number of windows in each pass.
            device: The device, whose cached blocks are given back between two attempts.

        Raises:
            OutOfMemory: One window is too many.
        """
        while True:
            try:
                return action(self.size)
            except torch.OutOfMemoryError:
                # Left before the next attempt: the error's traceback holds the tensors.
                pass
            if device.type == "cuda":
                torch.cuda.empty_cache()
            if self.size == 1:
                raise OutOfMemory(
                    Problem(
                        "sliding window",
                        "the device's memory must hold a volume's scores and one window",
                        f"'{device}' out of memory with one window in a pass",
                        "free the device of other processes, set 'device: cpu' in the site's "
                        "file, or run a job with a smaller 'patch_size' or a coarser 'spacing'",
                    )
                )
            self.size //= 2
            logger.warning(
                "device %s is out of memory: %d windows in a pass from here on", device, self.size
            )
