"""The area under the ROC curve, and its interval over patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from fedgin.seeding import numpy_generator

RESAMPLES = 2000


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Computes P(positive > negative) + P(positive = negative) / 2 from ranks (Mann and Whitney).

    Args:
        positive: Scores of those to be found, at least one.
        negative: Scores of the others, at least one.
    """
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def mean_auc_interval(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Bootstraps the mean of several AUCs: percentile interval over patients (Efron 1979).

    In each pair those to be found and the others are drawn with replacement, each within their own
    group.

    Args:
        pairs: Scores of those to be found and of the others, by experiment.
        seed: The same seed gives the same interval.
        level: Nominal coverage.
    """
    generator = numpy_generator(seed, "auc")
    means = [
        np.mean([auc(_drawn(p, generator), _drawn(n, generator)) for p, n in pairs])
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _drawn(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return values[generator.integers(0, len(values), size=len(values))]
