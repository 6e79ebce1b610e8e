"""Federated averaging: the float64 formula, bit for bit independent of the order of arrival."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from fedgin.engine.averaging import partial_selection_score, selection_score, weighted_mean

SITES = ("site-10", "site-2", "a", "Z")
MASS = {"site-10": 117.0, "site-2": 3.5, "a": 40.0, "Z": 911.0}


def updates(sites: tuple[str, ...] = SITES) -> dict[str, dict[str, np.ndarray]]:
    made = {}
    for number, site in enumerate(SITES):
        generator = np.random.default_rng(number)
        made[site] = {
            "weight": (generator.normal(size=(7, 5)) * 10.0**number).astype(np.float32),
            "bias": generator.normal(size=11).astype(np.float32),
        }
    return {site: made[site] for site in sites}


def lazily(
    contributions: dict[str, dict[str, np.ndarray]],
) -> dict[str, Callable[[], dict[str, np.ndarray]]]:
    return {site: (lambda arrays=arrays: arrays) for site, arrays in contributions.items()}


def test_the_mean_is_the_weighted_sum_over_the_weights() -> None:
    contributions = updates()
    mean = weighted_mean(lazily(contributions), weights=MASS)
    total = sum(Fraction(mass) for mass in MASS.values())
    for name in ("weight", "bias"):
        assert mean[name].dtype == np.float32
        flat = {site: arrays[name].ravel() for site, arrays in contributions.items()}
        exact = [
            float(sum(Fraction(float(flat[s][i])) * Fraction(MASS[s]) for s in SITES) / total)
            for i in range(mean[name].size)
        ]
        np.testing.assert_allclose(mean[name].ravel(), exact, rtol=1e-6)


def cancelling() -> dict[str, dict[str, np.ndarray]]:
    """Updates whose float64 sum depends on the order, visibly in float32."""
    values = dict(zip(SITES, (1e20, 3.0, -1e20, 5.0), strict=True))
    return {site: {"weight": np.array([value], np.float32)} for site, value in values.items()}


def test_the_order_of_arrival_changes_no_bit() -> None:
    alike = dict.fromkeys(SITES, 1.0)
    for contributions, weights in ((updates(), MASS), (cancelling(), alike)):
        reference = weighted_mean(lazily(contributions), weights=weights)
        for order in itertools.permutations(SITES):
            arrived = {site: contributions[site] for site in order}
            mean = weighted_mean(
                lazily(arrived), weights={site: weights[site] for site in reversed(order)}
            )
            assert all(mean[name].tobytes() == reference[name].tobytes() for name in reference)
    in_order_of_arrival = {
        float(np.float32(sum(float(cancelling()[site]["weight"][0]) for site in order)))
        for order in itertools.permutations(SITES)
    }
    assert len(in_order_of_arrival) > 1  # so the promise is not kept by chance


def test_one_site_gets_its_own_update_back() -> None:
    contribution = updates(("a",))
    mean = weighted_mean(lazily(contribution), weights={"a": 40.0})
    np.testing.assert_allclose(mean["weight"], contribution["a"]["weight"], rtol=1e-7)


def test_inputs_are_untouched() -> None:
    contributions = updates()
    weighted_mean(lazily(contributions), weights=MASS)
    for site, arrays in updates().items():
        assert all(np.array_equal(contributions[site][name], arrays[name]) for name in arrays)


def test_nothing_to_average_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to average"):
        weighted_mean({}, weights={})


def test_other_names_and_other_shapes_are_refused_with_the_site() -> None:
    contributions = updates(("a", "site-2"))
    contributions["site-2"]["extra"] = np.zeros(1)
    with pytest.raises(ValueError, match="site-2"):
        weighted_mean(lazily(contributions), weights=MASS)
    contributions = updates(("a", "site-2"))
    contributions["site-2"]["bias"] = np.zeros(1)
    with pytest.raises(ValueError, match=r"bias.*site-2"):
        weighted_mean(lazily(contributions), weights=MASS)


def test_modalities_count_alike_however_many_sites_they_have() -> None:
    modality = {"one": "CT", "two": "CT", "three": "MR"}
    score = selection_score({"one": 0.9, "two": 0.7, "three": 0.2}, modality)
    assert score == pytest.approx(((0.9 + 0.7) / 2 + 0.2) / 2, abs=1e-15)


def test_sites_that_did_not_measure_are_left_out() -> None:
    modality = {"one": "CT", "two": "CT", "three": "MR"}
    dice = {"one": 0.9, "two": math.nan, "three": 0.2}
    assert selection_score(dice, modality) == pytest.approx(0.55, abs=1e-15)
    dice = {"one": 0.9, "two": 0.5, "three": math.nan}
    assert selection_score(dice, modality) == pytest.approx(0.7, abs=1e-15)
    assert math.isnan(selection_score({"one": math.nan}, modality))
    assert math.isnan(selection_score({}, modality))


def test_a_class_counts_only_from_the_sites_that_have_it() -> None:
    modality = {"one": "CT", "two": "CT", "three": "MR"}
    per_class = {
        "one": {"liver": 0.9, "spleen": 0.7, "kidney": math.nan},
        "two": {"liver": 0.5, "spleen": math.nan, "kidney": math.nan},
        "three": {"liver": math.nan, "spleen": math.nan, "kidney": 0.4},
    }
    # CT: liver (0.9 + 0.5) / 2, spleen 0.7; MR: kidney 0.4.
    assert partial_selection_score(per_class, modality) == pytest.approx((0.7 + 0.4) / 2)
    assert math.isnan(partial_selection_score({"one": {"liver": math.nan}}, modality))
    assert math.isnan(partial_selection_score({}, modality))


def test_where_all_sites_have_all_classes_both_scores_agree() -> None:
    generator = np.random.default_rng(0)
    modality = {"one": "CT", "two": "CT", "three": "MR"}
    per_class = {
        site: {name: float(generator.uniform()) for name in ("liver", "spleen", "kidney")}
        for site in modality
    }
    means = {site: float(np.mean(list(values.values()))) for site, values in per_class.items()}
    assert partial_selection_score(per_class, modality) == pytest.approx(
        selection_score(means, modality), rel=1e-12
    )
