"""Federated averaging, independent of the order in which contributions arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

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
    # numpy makes a number of an array without dimensions, such as a count of batches.
    return {name: np.asarray(array / mass).astype(np.float32) for name, array in total.items()}


def average_updates(
    contributions: Mapping[str, Callable[[], Mapping[str, np.ndarray]]],
    *,
    weights: Mapping[str, float],
) -> Weights:
    """Averages the sites' differences from one global model, variances as of pooled values.

    All arrays take `weighted_mean`, but a batch normalization's running variance also takes the
    spread of the sites' means. With shares p_k = w_k / sum w, means m_k and variances v_k

        m = sum_k p_k m_k
        v = sum_k p_k (v_k + m_k^2) - m^2 = sum_k p_k v_k + sum_k p_k (m_k - m)^2

    and m_k - m is the same between differences from one global mean as between the means, so the
    global model itself is not needed. A single site keeps its statistics, and sites that agree keep
    theirs. The count of batches (`num_batches_tracked`) takes the weighted mean; torch's layers do
    not use it unless their momentum is None.

    Args:
        contributions: As for `weighted_mean`; differences from the same model.
        weights: By site name the positive weight.

    Returns:
        The mean in float32.

    Raises:
        ValueError: As for `weighted_mean`.
    """
    mean = weighted_mean(contributions, weights=weights)
    pairs = statistics_pairs(mean)
    if not pairs:
        return mean
    mass = sum(weights[site] for site in contributions)
    spread = {name: np.zeros(np.shape(mean[name])) for name in pairs.values()}
    for site in sorted(contributions):
        arrays = contributions[site]()
        for mean_name, variance_name in pairs.items():
            offset = np.asarray(arrays[mean_name], dtype=np.float64) - mean[mean_name]
            spread[variance_name] += weights[site] / mass * offset**2
    for name, array in spread.items():
        mean[name] = (mean[name] + array).astype(np.float32)
    return mean


def control_update(
    contributions: Mapping[str, Callable[[], Mapping[str, np.ndarray]]], *, n_sites: int
) -> Weights:
    """Computes what SCAFFOLD's server adds to its control: sum_k (c_k' - c_k) / N.

    Sites count alike, whatever their number of slices, and those of the federation that did not
    answer count with 0 (arXiv 1910.06378, algorithm 1, line 17).

    Args:
        contributions: As for `weighted_mean`; the sites' changes of their controls.
        n_sites: N, the sites of the federation, at least those that contributed.

    Returns:
        The change in float32.

    Raises:
        ValueError: As for `weighted_mean`.
    """
    mean = weighted_mean(contributions, weights=dict.fromkeys(contributions, 1.0))
    share = np.float32(len(contributions) / n_sites)
    return {name: array * share for name, array in mean.items()}


def statistics_pairs(names: Iterable[str]) -> dict[str, str]:
    """Finds the running means and variances of batch normalization layers.

    The server has arrays and no modules, so the names decide. They are torch's own names of these
    buffers, whole words after the last dot, and a mean needs a variance beside it: a layer that is
    called so by its author makes no difference. (Which layers FedBN keeps is told by their type.)

    Args:
        names: Names in a network's state.

    Returns:
        The variance's name by the mean's.
    """
    known = set(names)
    pairs = {}
    for name in sorted(known):
        variance = name.removesuffix("running_mean") + "running_var"
        if name.rpartition(".")[2] == "running_mean" and variance in known:
            pairs[name] = variance
    return pairs


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


def partial_selection_score(
    per_class: Mapping[str, Mapping[str, float]], modality: Mapping[str, str]
) -> float:
    """Scores a model that is measured at sites which annotate different classes.

    The mean over modalities of the mean over classes of the mean over the sites that have the
    class. The mean of the sites' own means would count a class more at a site that annotates few.
    Where all sites have all classes it is `selection_score` of their means.

    Args:
        per_class: Validation Dice by site and class; nan where the site has no value.
        modality: Modality by site.

    Returns:
        The score, or nan where no site measured anything.
    """
    groups: dict[str, dict[str, list[float]]] = {}
    for site, by_class in per_class.items():
        for name, value in by_class.items():
            if not np.isnan(value):
                groups.setdefault(modality[site], {}).setdefault(name, []).append(value)
    if not groups:
        return float("nan")
    means = [np.mean([np.mean(values) for values in found.values()]) for found in groups.values()]
    return float(np.mean(means))
