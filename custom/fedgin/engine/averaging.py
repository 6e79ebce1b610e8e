"""Federated averaging, independent of the order in which contributions arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fedgin.engine.weights import Weights


def weighted_mean(
    contributions: Mapping[str, Callable[[], Mapping[str, np.ndarray]]],
    *,
    weights: Mapping[str, float],
) -> Weights:
    """Averages arrays over sites (McMahan et al., AISTATS 2017: FedAvg).

    sum_k w_k d_k / sum_k w_k, added in float64 in the order of the sites' names. Floating-point
    sums depend on their order; this order is always the same.

    Args:
        contributions: By site name a function that returns its arrays, so that those kept on disk
            are in memory one at a time.
        weights: By site name the positive weight.

    Returns:
        The mean in float32.

    Raises:
        ValueError: There is no contribution, or two have different names or shapes.
    """
    if not contributions:
        raise ValueError("there is nothing to average")
    total: dict[str, np.ndarray] = {}
    for site in sorted(contributions):
        arrays = contributions[site]()
        if total and arrays.keys() != total.keys():
            raise ValueError(f"the arrays of '{site}' have other names than those before")
        for name, array in arrays.items():
            share = np.asarray(array, dtype=np.float64) * weights[site]
            if name not in total:
                total[name] = share
            elif share.shape != total[name].shape:
                raise ValueError(f"'{name}' of '{site}' has another shape than those before")
            else:
                total[name] += share
    mass = sum(weights[site] for site in contributions)
    return {name: (array / mass).astype(np.float32) for name, array in total.items()}


def selection_score(dice: Mapping[str, float], modality: Mapping[str, str]) -> float:
    """Scores a model: the mean over modalities of the mean over sites.

    A plain mean over sites would let two CT sites outvote one MR site.

    Args:
        dice: Validation Dice by site; sites with nan did not measure and are left out.
        modality: Modality by site.

    Returns:
        The score, or nan where no site measured.
    """
    groups: dict[str, list[float]] = {}
    for site, value in dice.items():
        if not np.isnan(value):
            groups.setdefault(modality[site], []).append(value)
    if not groups:
        return float("nan")
    return float(np.mean([np.mean(groups[name]) for name in sorted(groups)]))
