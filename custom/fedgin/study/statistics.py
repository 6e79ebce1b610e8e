"""Statistics over patients: location and spread, paired tests and their correction.

Every function takes one value per patient. Several seeds of one run are repeated measures of the
same patient, not more patients: average them per patient first (`mean_over_seeds`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Up to here the signed-rank distribution is counted, and 2^50 is still exact in float64.
EXACT_PAIRS = 50
# Surface distances are in single precision, which errs by up to 2e-6 below 64 mm: what differs by
# less than this is equal. A Dice that differs by less is not counted as different either.
DECIMALS = 5


@dataclass(frozen=True)
class Description:
    """Location and spread of values over patients, in the unit of the values.

    Attributes:
        count: Number of patients.
        mean: Arithmetic mean; nan without patients, as the median and the iqr.
        median: Median.
        sd: Standard deviation with count - 1 in the denominator; nan below two patients.
        iqr: Third quartile less first quartile, interpolated linearly.
    """

    count: int
    mean: float
    median: float
    sd: float
    iqr: float


def mean_over_seeds(values: ArrayLike) -> np.ndarray:
    """Averages repeated measures of the same patients.

    Args:
        values: Shape (patients, seeds).

    Returns:
        Shape (patients,), float64.

    Raises:
        ValueError: A value is not finite, the shape is another one, or there is no seed.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0 or not np.isfinite(table).all():
        raise ValueError(f"values of shape {table.shape} must be finite, shape (patients, seeds)")
    return np.asarray(table.mean(axis=1))


def describe(values: ArrayLike) -> Description:
    """Describes values over patients.

    Args:
        values: Shape (patients,).

    Raises:
        ValueError: A value is not finite or the shape is another one.
    """
    array = one_per_patient(values)
    if array.size == 0:
        return Description(count=0, mean=math.nan, median=math.nan, sd=math.nan, iqr=math.nan)
    first, median, third = np.percentile(array, (25, 50, 75))
    return Description(
        count=array.size,
        mean=float(array.mean()),
        median=float(median),
        sd=float(array.std(ddof=1)) if array.size > 1 else math.nan,
        iqr=float(third - first),
    )


def wilcoxon_paired(a: ArrayLike, b: ArrayLike) -> float | None:
    """Tests whether paired values differ: two-sided Wilcoxon signed-rank test.

    Pairs without a difference are left out (Wilcoxon 1945), equal differences share the mean of
    their ranks; differences are rounded to 1e-5 (of Dice, or mm) for both. Up to 50 pairs with a
    difference p is exact, equal differences or not; above, it is scipy's normal approximation.

    Below six pairs with a difference no data can bring p under 0.05: with n pairs the smallest
    is 2^(1 - n), so five give 0.0625 at best. Show the number of pairs beside p.

    Args:
        a: Shape (patients,).
        b: The same patients in the same order.

    Returns:
        p in (0, 1]; 1 if no pair differs; None without any pair.

    Raises:
        ValueError: The lengths differ or a value is not finite.
    """
    from scipy.stats import wilcoxon

    first, second = paired(a, b)
    if first.size == 0:
        return None
    differences = np.round(first - second, DECIMALS)
    differences = differences[differences != 0]
    if differences.size == 0:
        return 1.0
    if differences.size > EXACT_PAIRS:
        return float(wilcoxon(differences, method="asymptotic").pvalue)
    return _exact_signed_rank(differences)


def _exact_signed_rank(differences: np.ndarray) -> float:
    """Counts the signs under which the rank sums are as unequal as found, or more.

    Scipy's own exact test has no shared ranks: with them it takes half a second from 11 to 13
    pairs and approximates from 14 on, and HD95 in whole voxels shares many.

    Args:
        differences: None of them zero, at most `EXACT_PAIRS`.
    """
    from scipy.stats import rankdata

    # Shared ranks may be halves: doubled, all are whole.
    ranks = np.rint(2 * rankdata(np.abs(differences))).astype(np.int64)
    smaller = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    # signs[s]: number of ways to choose signs such that the positive ranks sum to s.
    signs = np.zeros(ranks.sum() + 1)
    signs[0] = 1
    for rank in ranks:
        signs[rank:] = signs[rank:] + signs[:-rank]
    return min(1.0, float(2 * signs[: smaller + 1].sum() / 2.0**ranks.size))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Corrects p-values for their number (Holm, Scand J Statist 1979).

    The i-th smallest of m (i = 1 ... m) times m - i + 1, not below the one before it, at most 1.

    Args:
        p_values: p by name of the comparison, in [0, 1].

    Returns:
        Corrected p by name, in the order given.

    Raises:
        ValueError: A value is not in [0, 1].
    """
    wrong = {name: p for name, p in p_values.items() if not 0 <= p <= 1}
    if wrong:
        raise ValueError(f"p-values must be in [0, 1]: {wrong}")
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, (len(p_values) - place) * p_values[name])
        corrected[name] = min(1.0, largest)
    return {name: corrected[name] for name in p_values}


def one_per_patient(values: ArrayLike, name: str = "values") -> np.ndarray:
    """Returns values as float64, shape (patients,).

    Args:
        values: One value per patient.
        name: What they are, for errors.

    Raises:
        ValueError: A value is not finite or the shape is another one.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one value per patient, not of shape {array.shape}")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array)).tolist()
        raise ValueError(f"{name} must be finite, those at {bad} are not: leave such patients out")
    return array


def paired(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of values of the same patients as float64, shape (patients,) each.

    Raises:
        ValueError: The lengths differ, a value is not finite or a shape is another one.
    """
    first, second = one_per_patient(a, "the first values"), one_per_patient(b, "the second values")
    if first.size != second.size:
        raise ValueError(f"paired values must be of the same patients: {first.size}, {second.size}")
    return first, second
