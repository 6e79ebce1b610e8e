"""Weights of the sites: counts, modalities alike, and a limit that no claim gets around."""

from __future__ import annotations

import itertools
import logging
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgin.engine.site_weights import SiteFacts, capped_weights, site_weights, weight_shares

FACTS = {
    "a": SiteFacts("CT", cases=10, slices=400),
    "b": SiteFacts("CT", cases=30, slices=300),
    "c": SiteFacts("MR", cases=5, slices=1000),
}
MASSES = st.dictionaries(
    st.sampled_from("abcdefgh"), st.floats(min_value=1e-3, max_value=1e9), min_size=1
)
LIMITS = st.floats(min_value=0.01, max_value=1.0)


def bisected(weights: dict[str, float], limit: float) -> dict[str, float]:
    """The truth by bisection: the one factor for which the cut shares sum to 1."""
    total = math.fsum(weights.values())
    shares = {site: weight / total for site, weight in weights.items()}
    low, high = 0.0, 1 / min(shares.values())
    for _ in range(200):
        factor = (low + high) / 2
        if math.fsum(min(limit, factor * share) for share in shares.values()) < 1:
            low = factor
        else:
            high = factor
    return {site: min(limit, high * share) for site, share in shares.items()}


def test_weights_are_the_counts() -> None:
    assert site_weights(FACTS, weighting="slices") == {"a": 400, "b": 300, "c": 1000}
    assert site_weights(FACTS, weighting="cases") == {"a": 10, "b": 30, "c": 5}


def test_where_all_count_alike_no_claim_has_weight() -> None:
    claims = {**FACTS, "b": SiteFacts(modality="CT", cases=1e12, slices=1e12)}
    assert site_weights(claims, weighting="equal") == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_modalities_count_alike_and_their_sites_by_cases() -> None:
    shares = weight_shares(site_weights(FACTS, weighting="equal_per_modality"))
    assert shares == pytest.approx({"a": 1 / 8, "b": 3 / 8, "c": 1 / 2}, abs=1e-15)
    one_modality = {site: FACTS[site] for site in "ab"}
    shares = weight_shares(site_weights(one_modality, weighting="equal_per_modality"))
    assert shares == pytest.approx({"a": 1 / 4, "b": 3 / 4}, abs=1e-15)


@given(weights=MASSES)
def test_without_a_limit_no_bit_changes(weights: dict[str, float]) -> None:
    assert capped_weights(weights, max_share=1.0) == weights


@given(weights=MASSES, limit=LIMITS)
def test_the_limit_is_kept_as_bisection_says(weights: dict[str, float], limit: float) -> None:
    if limit * len(weights) < 1:
        return
    found = weight_shares(capped_weights(weights, max_share=limit))
    assert math.fsum(found.values()) == pytest.approx(1, abs=1e-12)
    assert max(found.values()) <= limit * (1 + 1e-12)
    assert found == pytest.approx(bisected(weights, limit), rel=1e-6, abs=1e-9)


@given(weights=MASSES, limit=LIMITS)
def test_sites_below_the_limit_keep_their_proportions(
    weights: dict[str, float], limit: float
) -> None:
    found = weight_shares(capped_weights(weights, max_share=limit))
    free = [site for site, share in found.items() if share < limit * (1 - 1e-9)]
    if limit * len(weights) <= 1:
        return
    for one, other in itertools.combinations(free, 2):
        assert found[one] * weights[other] == pytest.approx(found[other] * weights[one], rel=1e-9)
    # Nobody loses by the limit but those who meet it.
    before = weight_shares(weights)
    assert all(found[site] >= before[site] * (1 - 1e-12) for site in free)


@given(weights=MASSES, limit=LIMITS, inflation=st.floats(min_value=1, max_value=1e6))
def test_an_inflated_claim_brings_no_more_than_the_limit(
    weights: dict[str, float], limit: float, inflation: float
) -> None:
    site = min(weights)
    claimed = {**weights, site: weights[site] * inflation}
    share = weight_shares(capped_weights(claimed, max_share=limit))[site]
    assert share <= max(limit, 1 / len(weights)) * (1 + 1e-12)


def test_a_limit_that_is_met_by_several_sites_in_turn() -> None:
    weights = {"a": 50.0, "b": 30.0, "c": 15.0, "d": 5.0}
    # a is cut; what it gives back lifts b above it; c and d share the rest 3 to 1.
    found = capped_weights(weights, max_share=0.35)
    expected = {"a": Fraction(35, 100), "b": Fraction(35, 100)}
    expected |= {"c": Fraction(30, 100) * 3 / 4, "d": Fraction(30, 100) / 4}
    assert found == pytest.approx({site: float(share) for site, share in expected.items()})


def test_an_impossible_limit_counts_all_alike_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = capped_weights({"a": 9.0, "b": 1.0}, max_share=0.3)
    assert found == {"a": 0.5, "b": 0.5}
    assert "more than 0.3 of the weight, but there are only 2" in caplog.text
    caplog.clear()
    assert capped_weights({"a": 9.0, "b": 1.0}, max_share=0.5) == {"a": 0.5, "b": 0.5}
    assert caplog.text == ""
