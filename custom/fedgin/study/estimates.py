"""Estimates over patients as plain JSON values; None stands for what cannot be computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.study.bootstrap import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
)
from fedgin.study.statistics import describe, holm, wilcoxon_paired

# The same resamples for every number: a report made twice from the same rows is the same.
SEED = 0


def estimate_mean(values: Sequence[float]) -> dict[str, Any]:
    """Returns n, mean, low and high, the ends of the 95 % interval over patients."""
    n = len(values)
    return {
        "n": n,
        "mean": math.fsum(values) / n if n else None,
        **_ends(bootstrap_mean(values, seed=SEED)),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Returns median and standard deviation over patients."""
    found = describe(values)
    return {"median": _plain(found.median), "sd": _plain(found.sd)}


def estimate_difference(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """Returns n, both means, the mean of first minus second and the ends of its interval."""
    return {
        **_means(first, second),
        "difference": math.fsum(first) / len(first) - math.fsum(second) / len(second),
        **_ends(bootstrap_difference(first, second, seed=SEED)),
    }


def estimate_ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    """Returns n, both means, their ratio (None over zero) and the ends of its interval."""
    means = _means(first, second)
    return {
        **means,
        "ratio": means["first"] / means["second"] if means["second"] else None,
        **_ends(bootstrap_ratio(first, second, seed=SEED)),
    }


def compare_family(
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> dict[str, dict[str, Any]]:
    """Compares pairs of samples that answer one question together.

    Args:
        pairs: First and second numbers of the same patients, by name; at least one patient each.

    Returns:
        By name the difference, Wilcoxon's p and Holm's correction over the family.
    """
    p_values = {name: wilcoxon_paired(*pair) for name, pair in pairs.items()}
    corrected = holm({name: p for name, p in p_values.items() if p is not None})
    return {
        name: {
            **estimate_difference(*pair),
            "p": p_values[name],
            "p_holm": corrected.get(name),
            "family_size": len(corrected),
        }
        for name, pair in pairs.items()
    }


def _means(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    n = len(first)
    return {"n": n, "first": math.fsum(first) / n, "second": math.fsum(second) / n}


def _ends(interval: Interval | None) -> dict[str, Any]:
    if interval is None:
        return {"low": None, "high": None}
    return {"low": interval.low, "high": interval.high}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
