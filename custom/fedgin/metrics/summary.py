"""What a server may know of a site's metric: count, mean, spread and a coarse histogram.

No value of a patient leaves the site, with one exception that arithmetic leaves: the mean of one
patient is that patient's value, and mean and spread of two give both values. Whoever must not
tell those must not summarise so few patients.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike

# Fixed, so that the sites' counts can be added. In tenths, and in mm.
_TENTHS = tuple(tenth / 10 for tenth in range(11))
EDGES: Mapping[str, tuple[float, ...]] = {
    "dice": _TENTHS,
    "nsd": _TENTHS,
    "hd95": (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, math.inf),
}


class Summary(TypedDict):
    """Plain JSON types.

    Keys:
        count: Number of patients.
        mean: Their mean; None without patients.
        sd: Standard deviation with count - 1 in the denominator; None below two patients.
        histogram: Number of patients by bin of the metric's `EDGES`.
    """

    count: int
    mean: float | None
    sd: float | None
    histogram: list[int]


def summarise(values: ArrayLike, *, edges: Sequence[float]) -> Summary:
    """Summarises one metric of one class over a site's patients.

    Args:
        values: One value per patient that has one (not the absent, not the not annotated).
        edges: Bounds of the histogram's bins, see `EDGES`.

    Raises:
        ValueError: A value is not finite or outside the edges, or the edges do not rise.
    """
    counts = histogram(values, edges)
    array = np.asarray(values, dtype=np.float64)
    return Summary(
        count=array.size,
        mean=float(array.mean()) if array.size else None,
        sd=float(array.std(ddof=1)) if array.size > 1 else None,
        histogram=counts,
    )


def checked_summary(value: Any, *, metric: str) -> Summary:
    """Checks what a site sent as a summary.

    Raises:
        ValueError: It is not of the form that `summarise` gives.
    """
    if metric not in EDGES:
        raise ValueError(f"the metric {metric!r} is none of {', '.join(EDGES)}")
    if not isinstance(value, Mapping) or set(value) != set(Summary.__annotations__):
        raise ValueError("a summary has count, mean, sd and histogram, and nothing else")
    count, bins = value["count"], value["histogram"]
    if not _is_count(count) or not isinstance(bins, Sequence) or not all(map(_is_count, bins)):
        raise ValueError("a summary's count and histogram are whole numbers from 0")
    if len(bins) != len(EDGES[metric]) - 1 or sum(bins) != count:
        raise ValueError(f"the histogram's {len(EDGES[metric]) - 1} bins must add up to the count")
    _check_moment(value["mean"], known=count > 0, most=EDGES[metric][-1])
    _check_moment(value["sd"], known=count > 1, most=EDGES[metric][-1])
    return Summary(count=count, mean=value["mean"], sd=value["sd"], histogram=list(bins))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_moment(value: Any, *, known: bool, most: float) -> None:
    if not known and value is None:
        return
    fits = isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= most
    if not known or not fits:
        raise ValueError(f"mean and sd follow from the count and the metric's range; {value!r}")


def merge(summaries: Iterable[Summary]) -> Summary:
    """Merges summaries of disjoint sets of patients into that of all of them.

    Exact but for rounding: the sum of squares about the common mean is the sum of those within
    the sites and between their means (Chan, Golub and LeVeque, Am Stat 1983).

    Args:
        summaries: At least one, all with the same bins.

    Raises:
        ValueError: There is none, or the histograms differ in length.
    """
    parts = list(summaries)
    lengths = {len(part["histogram"]) for part in parts}
    if len(lengths) != 1:
        raise ValueError(f"summaries must be some, of equal bins: numbers of bins {lengths or 0}")
    count = sum(part["count"] for part in parts)
    # Sites without patients have no mean and nothing to add.
    known = [(p["count"], p["mean"], p["sd"] or 0.0) for p in parts if p["mean"] is not None]
    mean = math.fsum(n * centre for n, centre, _ in known) / count if count else None
    squares = math.fsum(
        (n - 1) * sd**2 + n * (centre - (mean or 0.0)) ** 2 for n, centre, sd in known
    )
    return Summary(
        count=count,
        mean=mean,
        sd=math.sqrt(squares / (count - 1)) if count > 1 else None,
        histogram=[sum(bin_) for bin_ in zip(*(p["histogram"] for p in parts), strict=True)],
    )


def histogram(values: ArrayLike, edges: Sequence[float]) -> list[int]:
    """Counts values by bin: [e0, e1), [e1, e2), ..., the last bin closed.

    Args:
        values: Shape (patients,).
        edges: Rising edges, at least two; the last may be infinite.

    Raises:
        ValueError: A value is not finite or outside the edges, or the edges do not rise.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"values of shape {array.shape} must be finite, one per patient")
    bounds = np.asarray(edges, dtype=np.float64)
    if bounds.ndim != 1 or bounds.size < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"edges {list(edges)} must be at least two rising numbers")
    if array.size and (array.min() < bounds[0] or array.max() > bounds[-1]):
        raise ValueError(
            f"values from {array.min():g} to {array.max():g} lie outside the edges "
            f"{bounds[0]:g} ... {bounds[-1]:g}"
        )
    places = np.searchsorted(bounds, array, side="right") - 1
    inside = np.minimum(places, bounds.size - 2)
    return [int(count) for count in np.bincount(inside, minlength=bounds.size - 1)]
