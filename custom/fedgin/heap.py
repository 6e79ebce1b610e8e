"""The heap of a training process, which otherwise goes back to the system at each step."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 512 * 2**20
LARGEST_ON_HEAP = 32 * 2**20
"""The most that glibc allows: a larger block is always mapped for itself."""


def keep_freed_memory() -> bool:
    """Lets this process keep up to 512 MiB that it freed, for the next step to use again.

    A training step on the CPU frees and asks for the same few hundred blocks each time. By default
    glibc returns them to the system, which then clears 2,000 pages a step: 7 % of the step's time
    with the heart's network. Results do not depend on it, and CUDA has a cache of its own.

    Returns:
        Whether the C library takes the advice; another than glibc does not.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_ON_HEAP) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    )
