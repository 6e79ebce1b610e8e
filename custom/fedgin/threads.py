"""CPU threads and heap of a training process, set before torch is loaded."""

from __future__ import annotations

import os
import sys

from fedgin.heap import keep_freed_memory

SPIN_COUNT = "1000"
"""Long enough to wait for the next small operation, short enough to leave the core to others."""


def set_threads(count: int) -> None:
    """Fixes the number of CPU threads, and lets the process keep freed memory for its next step.

    Call it before torch is imported for the first time: then threads that wait for each other soon
    sleep. By default they spin, and two site processes on two cores slow each other down fourfold.

    Args:
        count: Threads of this process. The last bits of a sum depend on it.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        os.environ.setdefault("OMP_NUM_THREADS", str(count))
    keep_freed_memory()
    import torch

    torch.set_num_threads(count)
