"""How much a site's update counts in the average, and how far that can go."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from fedgin.federation_settings import Weighting

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SiteFacts:
    """What a site says of the data behind its update.

    The server cannot check the counts. The largest share (`capped_weights`) bounds what an
    inflated one can bring.

    Attributes:
        modality: "CT" or "MR".
        cases: Volumes that it trains on, above 0.
        slices: Axial slices of these, above 0.
    """

    modality: str
    cases: float
    slices: float


def site_weights(facts: Mapping[str, SiteFacts], *, weighting: Weighting) -> dict[str, float]:
    """Computes the sites' weights in an average.

    `slices` and `cases` are the counts. `equal_per_modality` gives every modality that
    contributed the same total, which its sites share by cases. `equal` gives every site the same:
    what a site claims of its data then has no weight.

    Args:
        facts: By site name; the sites that contributed.
        weighting: What to weight by.

    Returns:
        Weights above 0, by site name; they need not sum to 1.
    """
    if weighting == "equal":
        return dict.fromkeys(facts, 1.0)
    if weighting == "slices":
        return {site: float(fact.slices) for site, fact in facts.items()}
    cases = {site: float(fact.cases) for site, fact in facts.items()}
    if weighting == "cases":
        return cases
    modalities = {fact.modality for fact in facts.values()}
    total = {
        modality: math.fsum(cases[site] for site in facts if facts[site].modality == modality)
        for modality in modalities
    }
    return {
        site: cases[site] / total[fact.modality] / len(modalities) for site, fact in facts.items()
    }


def capped_weights(weights: Mapping[str, float], *, max_share: float) -> dict[str, float]:
    """Cuts weights so that no site has more than a share of the total.

    Water-filling: with shares p_k = w_k / sum w, the result is s_k = min(max_share, f p_k) with
    the one f for which the s_k sum to 1. Sites above the limit get it exactly, and the others keep
    their proportions. Where the limit cannot be kept (max_share times the number of sites is below
    1) all sites count alike, and the log says so.

    Args:
        weights: By site name, above 0.
        max_share: Above 0, at most 1.

    Returns:
        The weights as they are where none exceeds the limit, else shares that sum to 1.
    """
    shares = weight_shares(weights)
    if not shares or max(shares.values()) <= max_share:
        return dict(weights)
    if max_share * len(weights) <= 1:
        if max_share * len(weights) < 1:
            logger.warning(
                "no site may have more than %g of the weight, but there are only %d: all count "
                "alike",
                max_share,
                len(weights),
            )
        return dict.fromkeys(weights, 1 / len(weights))
    at_limit: set[str] = set()
    while over := {site for site, share in shares.items() if share > max_share}:
        at_limit |= over
        free = {site: weights[site] for site in weights if site not in at_limit}
        rest = 1 - max_share * len(at_limit)
        below = {site: rest * share for site, share in weight_shares(free).items()}
        shares = {site: below.get(site, max_share) for site in weights}
    return shares


def weight_shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Divides weights by their sum."""
    total = math.fsum(weights.values())
    return {site: weight / total for site, weight in weights.items()}
