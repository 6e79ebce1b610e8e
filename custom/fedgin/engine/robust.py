"""Aggregation that a minority of sites cannot steer.

In all functions `updates` maps a site's name to a function that returns its arrays. Where that is
a mapping which reads an array when it is asked for (`fedgin.engine.spool`), one array per site is
in memory at a time. No result depends on the order of the sites. Every site counts alike, save in
`clipped_mean`: what a site claims of its data has no weight.

The median and the trimmed mean treat a batch normalization's running mean and variance as any
other array: pooling (`fedgin.engine.averaging.average_updates`) adds the spread of the sites'
means, a sum that one site can make as large as it likes. A variance stays at or above 0, because it
lies between those of the sites. The other two are means of updates, and pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

import numpy as np

from fedgin.engine.averaging import average_updates
from fedgin.engine.update_norms import COUNTS, group_of, update_norms
from fedgin.engine.weights import Weights

Arrays = Mapping[str, np.ndarray]
Updates = Mapping[str, Callable[[], Arrays]]


def coordinate_median(updates: Updates) -> Weights:
    """Takes the median over the sites in every coordinate.

    Source: Yin et al., "Byzantine-Robust Distributed Learning", ICML 2018 (arXiv 1803.01498),
    definition 1. With an even number of sites it is the mean of the two in the middle.

    Args:
        updates: At least one.

    Returns:
        The median in float32. Memory: one array of every site in float64.

    Raises:
        ValueError: There is no update, or two have different names or shapes.
    """
    return _by_coordinate(updates, lambda stack: np.median(stack, axis=0))


def trimmed_mean(updates: Updates, *, trim: float) -> Weights:
    """Leaves out the largest and the smallest values in every coordinate and averages the others.

    Source: Yin et al., ICML 2018 (arXiv 1803.01498), definition 2; as `scipy.stats.trim_mean`.

    Args:
        updates: At least one.
        trim: Share of the sites to leave out at either end, in [0, 0.5); floor(trim * n) sites.

    Returns:
        As `coordinate_median`.

    Raises:
        ValueError: As for `coordinate_median`, or `trim` is out of range.
    """
    if not 0 <= trim < 0.5:
        raise ValueError(f"trim must be in [0, 0.5); found {trim}")
    return cut_mean(updates, cut=int(trim * len(updates)))


def cut_mean(updates: Updates, *, cut: int) -> Weights:
    """Is `trimmed_mean` with a number of sites to leave out at either end.

    Args:
        updates: More than 2 cut.
        cut: At least 0.

    Raises:
        ValueError: As for `coordinate_median`, or too few updates are left.
    """
    n = len(updates)
    if cut < 0 or n <= 2 * cut:
        raise ValueError(f"{n} updates cannot be cut by {cut} at either end")
    return _by_coordinate(updates, lambda stack: np.sort(stack, axis=0)[cut : n - cut].mean(axis=0))


def clipped_mean(updates: Updates, *, weights: Mapping[str, float], max_norm: float) -> Weights:
    """Averages updates, each scaled down to a largest norm.

    Source: Sun et al., "Can You Really Backdoor Federated Learning?", 2019 (arXiv 1911.07963),
    section 4. The norm is that of all arrays but counts of batches; the whole update is scaled.

    Args:
        updates: At least one.
        weights: By site name the positive weight.
        max_norm: Largest norm, above 0.

    Returns:
        The weighted mean in float32. Memory: the result in float64 and one scaled update.

    Raises:
        ValueError: There is no update, two have different names or shapes, or `max_norm` is not
            above 0.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be above 0; found {max_norm}")
    scaled = {site: _scaled(updates[site], max_norm) for site in updates}
    return average_updates(scaled, weights=weights)


def multi_krum(updates: Updates, *, byzantine: int) -> Weights:
    """Averages those updates that lie closest to their neighbours; see `krum_selection`.

    Args:
        updates: At least 2 byzantine + 3.
        byzantine: Sites that may send anything.

    Returns:
        The mean of the n - byzantine chosen updates, all alike, in float32.

    Raises:
        ValueError: As for `krum_selection`.
    """
    chosen = krum_selection(updates, byzantine=byzantine)
    return average_updates(
        {site: updates[site] for site in chosen}, weights=dict.fromkeys(chosen, 1.0)
    )


def krum_selection(updates: Updates, *, byzantine: int) -> tuple[str, ...]:
    """Chooses updates by multi-Krum.

    Source: Blanchard et al., "Machine Learning with Adversaries: Byzantine Tolerant Gradient
    Descent", NeurIPS 2017. With n updates, f of which may be anything, an update's score is the sum
    of its squared distances to the n - f - 2 others closest to it; the n - f updates with the
    lowest scores are chosen, of equal scores the first by name. Distances are over all arrays but
    counts of batches.

    The method takes honest sites to be alike. Where one modality has most sites, the others' may
    be left out.

    Args:
        updates: At least 2 byzantine + 3; any number where `byzantine` is 0, and all are chosen.
        byzantine: f, at least 0.

    Returns:
        The sites' names in alphabetical order. Memory: one array of every site in float64.

    Raises:
        ValueError: There are too few updates, or two have different names or shapes.
    """
    n = len(updates)
    if byzantine < 0 or n == 0 or (byzantine > 0 and n < 2 * byzantine + 3):
        raise ValueError(f"multi-Krum needs 2 * {byzantine} + 3 updates or more; found {n}")
    if byzantine == 0:
        return tuple(sorted(updates))
    distances = squared_distances(updates)
    scores = {
        site: math.fsum(sorted(distances[site].values())[: n - byzantine - 2]) for site in updates
    }
    best = sorted(scores, key=lambda site: (scores[site], site))[: n - byzantine]
    return tuple(sorted(best))


def squared_distances(updates: Updates) -> dict[str, dict[str, float]]:
    """Computes the squared Euclidean distance of each update to each other, by two sites' names."""
    sites = sorted(updates)
    found: dict[str, dict[str, float]] = {site: {} for site in sites}
    for name, stack in _stacks(updates):
        if group_of(name) == COUNTS:
            continue
        flat = dict(zip(sites, stack.reshape(len(sites), -1), strict=True))
        for one, other in combinations(sites, 2):
            gap = flat[one] - flat[other]
            found[one][other] = found[one].get(other, 0.0) + float(gap @ gap)
            found[other][one] = found[one][other]
    return found


def norm_of(update: Arrays) -> float:
    """Computes the norm that `clipped_mean` limits."""
    groups = update_norms(update)
    return math.hypot(*(norm for group, norm in groups.items() if group != COUNTS))


def _scaled(load: Callable[[], Arrays], max_norm: float) -> Callable[[], Arrays]:
    def scaled() -> Arrays:
        update = load()
        norm = norm_of(update)
        if norm <= max_norm:
            return update
        return {
            name: np.asarray(array, dtype=np.float64) * (max_norm / norm)
            for name, array in update.items()
        }

    return scaled


def _by_coordinate(updates: Updates, combine: Callable[[np.ndarray], np.ndarray]) -> Weights:
    return {name: np.asarray(combine(stack)).astype(np.float32) for name, stack in _stacks(updates)}


def _stacks(updates: Updates) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each array's name and its values of all sites, by name; shape (sites, ...)."""
    if not updates:
        raise ValueError("there is nothing to aggregate")
    arrays = {site: updates[site]() for site in sorted(updates)}
    first = next(iter(arrays.values()))
    if odd := [site for site, update in arrays.items() if update.keys() != first.keys()]:
        raise ValueError(f"the arrays of '{odd[0]}' have other names than those before")
    for name in sorted(first):
        values = [np.asarray(update[name], dtype=np.float64) for update in arrays.values()]
        if len({value.shape for value in values}) > 1:
            raise ValueError(f"'{name}' has another shape at some site")
        yield name, np.stack(values)
