"""Memory-mapped arrays without the memory that reading them takes up."""

from __future__ import annotations

import mmap

import numpy as np


def give_back_pages(*arrays: np.ndarray) -> None:
    """Takes the pages of memory-mapped arrays out of this process; others stay as they are.

    The system keeps what was read in its file cache as long as it likes, and a next access finds it
    there. Without this a process comes to hold every page of every volume that it ever read.

    Args:
        arrays: Read-only arrays, mapped from files or not, or parts of such.
    """
    for array in arrays:
        mapped = getattr(array, "_mmap", None)
        if isinstance(mapped, mmap.mmap):
            mapped.madvise(mmap.MADV_DONTNEED)
