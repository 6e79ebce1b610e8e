"""Percentiles of what was counted into bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedgin.fingerprint.bins import Bins


def bin_at(counts: Sequence[int], share: float) -> int:
    """Returns the bin in which a share of all counts is reached.

    Raises:
        ValueError: There are no counts.
    """
    running = np.cumsum(np.asarray(counts, dtype=np.int64))
    if running[-1] == 0:
        raise ValueError("a percentile needs counts")
    wanted = max(share * float(running[-1]), 0.5)  # never a bin without counts
    return int(np.searchsorted(running, wanted))


def percentile(counts: Sequence[int], bins: Bins, share: float) -> float:
    """Returns the value below which a share lies, as if counts lay evenly within their bin.

    Args:
        counts: One per bin, not all 0.
        bins: Their bins.
        share: In [0, 1].
    """
    index = bin_at(counts, share)
    below = float(sum(counts[:index]))
    part = (share * float(sum(counts)) - below) / counts[index]
    low, high = bins.edges[index], bins.edges[index + 1]
    return low + min(max(part, 0.0), 1.0) * (high - low)


def centre_at(counts: Sequence[int], bins: Bins, share: float) -> float:
    """Returns the centre of the bin in which a share is reached: for values that cluster."""
    index = bin_at(counts, share)
    return (bins.edges[index] + bins.edges[index + 1]) / 2


def upper_edge_at(counts: Sequence[int], bins: Bins, share: float) -> float:
    """Returns the upper edge of the bin in which a share is reached, below which it lies."""
    return bins.edges[bin_at(counts, share) + 1]
