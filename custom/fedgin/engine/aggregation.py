"""From the updates of a round to one, as the server's rules say, and how many updates that needs.

A contribution that the server refused is a site that did what it should not. It counts as one of
those that the method provides for: of five sites, one of them refused, multi-Krum with
`byzantine` 1 averages the other four. So a site cannot stop the run by sending what is refused.
With more refused than provided for, the others are averaged, or their median is taken.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedgin.engine.averaging import average_updates
from fedgin.engine.robust import (
    Updates,
    clipped_mean,
    coordinate_median,
    cut_mean,
    krum_selection,
    norm_of,
)
from fedgin.engine.site_weights import weight_shares
from fedgin.engine.weights import Weights
from fedgin.federation_settings import DEFAULT_BYZANTINE, DEFAULT_TRIM, FederationSettings


def aggregate_updates(
    updates: Updates,
    *,
    rules: FederationSettings,
    weights: Mapping[str, float],
    refused: int = 0,
) -> tuple[Weights, dict[str, float]]:
    """Makes one update of a round's.

    Args:
        updates: By site name a function that returns its arrays; at least one.
        rules: The server's rules.
        weights: By site name the positive weight; the mean and norm clipping use it.
        refused: Contributions to this round that were refused.

    Returns:
        The aggregate in float32, and by site its share in it. Median and trimmed mean take each
        coordinate from other sites: they have no shares.

    Raises:
        ValueError: There are too few updates (`shortage`), or two have different names or shapes.
    """
    if reason := shortage(rules, accepted=len(updates), refused=refused):
        raise ValueError(reason)
    if rules.aggregation == "median":
        return coordinate_median(updates), {}
    if rules.aggregation == "trimmed_mean":
        cut = _cut(rules, len(updates) + refused)
        return cut_mean(updates, cut=max(cut - refused, 0)), {}
    if rules.aggregation == "multi_krum":
        chosen = krum_selection(updates, byzantine=max(_byzantine(rules) - refused, 0))
        alike = dict.fromkeys(chosen, 1.0)
        mean = average_updates({site: updates[site] for site in chosen}, weights=alike)
        return mean, {site: alike.get(site, 0.0) / len(chosen) for site in updates}
    shares = weight_shares({site: weights[site] for site in updates})
    if rules.aggregation == "norm_clipping":
        limit = rules.clip_norm or float(np.median([norm_of(load()) for load in updates.values()]))
        # Where half of the updates are zero there is nothing to scale down to.
        return clipped_mean(updates, weights=weights, max_norm=limit or np.inf), shares
    return average_updates(updates, weights=weights), shares


def shortage(rules: FederationSettings, *, accepted: int, refused: int = 0) -> str | None:
    """Says why the aggregation cannot be trusted with so few sites.

    Args:
        rules: The server's rules.
        accepted: Updates that were accepted.
        refused: Contributions that were refused.

    Returns:
        The reason, or None where there are enough.
    """
    sites = accepted + refused
    if accepted == 0:
        return "there is no update"
    if rules.aggregation == "median" and sites < 3:
        return f"the median needs 3 sites: of {sites} it is the mean"
    if rules.aggregation == "trimmed_mean" and _cut(rules, sites) < 1:
        trim = _trim(rules)
        return f"a trimmed mean with trim {trim:g} leaves out none of {sites} sites"
    if rules.aggregation == "multi_krum" and sites < (needed := 2 * _byzantine(rules) + 3):
        return f"multi-Krum with byzantine {_byzantine(rules)} needs {needed} sites, not {sites}"
    return None


def describe(rules: FederationSettings) -> str:
    """Says in words how updates become one and which are refused."""
    words = {
        "mean": "mean",
        "median": "median of each coordinate",
        "trimmed_mean": f"mean of each coordinate without the share {_trim(rules):g} at either end",
        "norm_clipping": "mean of updates clipped to "
        + (f"norm {rules.clip_norm:g}" if rules.clip_norm else "the median of their norms"),
        "multi_krum": f"multi-Krum with byzantine {_byzantine(rules)}",
    }[rules.aggregation]
    if rules.aggregation in ("mean", "norm_clipping"):
        words += f", weighting {rules.weighting}"
        if rules.max_weight_share < 1:
            words += f", no share above {rules.max_weight_share:g}"
    gate = rules.update_gate
    refusal = f"above {gate.factor:g} times the running median" if gate.enabled else "none"
    return f"{words}; norms refused: {refusal}"


def _trim(rules: FederationSettings) -> float:
    return DEFAULT_TRIM if rules.trim is None else rules.trim


def _cut(rules: FederationSettings, sites: int) -> int:
    return int(_trim(rules) * sites)


def _byzantine(rules: FederationSettings) -> int:
    return DEFAULT_BYZANTINE if rules.byzantine is None else rules.byzantine
