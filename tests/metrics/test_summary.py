"""Summaries that leave a site, against NumPy on the pooled values of all sites."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgin.metrics.summary import EDGES, histogram, merge, summarise


def test_a_summary_holds_count_mean_spread_and_histogram_as_plain_json() -> None:
    found = summarise([0.05, 0.3, 0.35, 1.0], edges=EDGES["dice"])
    assert found["count"] == 4
    assert found["mean"] == pytest.approx(0.425)
    assert found["sd"] == pytest.approx(np.std([0.05, 0.3, 0.35, 1.0], ddof=1))
    assert found["histogram"] == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_tenths_begin_their_own_bin() -> None:
    for tenth in range(10):
        counts = histogram([tenth / 10], EDGES["dice"])
        assert counts.index(1) == tenth
    assert histogram([1.0], EDGES["nsd"])[-1] == 1


def test_distances_without_bound_fall_into_the_last_bin() -> None:
    assert histogram([0.0, 1.9, 2.0, 100.0, 128.0, 5000.0], EDGES["hd95"]) == [
        2,
        1,
        0,
        0,
        0,
        0,
        1,
        2,
    ]


def test_histograms_equal_numpys() -> None:
    generator = np.random.default_rng(4)
    for number in range(50):
        edges = np.unique(generator.integers(0, 20, size=8)).astype(float)
        values = generator.integers(0, 40, size=number) / 2
        values = values[(values >= edges[0]) & (values <= edges[-1])]
        assert histogram(values, edges.tolist()) == np.histogram(values, edges)[0].tolist()


def test_the_spread_of_one_patient_and_the_mean_of_none_are_unknown() -> None:
    assert summarise([0.5], edges=EDGES["dice"])["sd"] is None
    nobody = summarise([], edges=EDGES["dice"])
    assert (nobody["count"], nobody["mean"], nobody["sd"]) == (0, None, None)
    assert sum(nobody["histogram"]) == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.floats(0, 300, allow_subnormal=False), max_size=12), min_size=1, max_size=5
    )
)
def test_merging_equals_summarising_the_pooled_values(sites: list[list[float]]) -> None:
    found = merge(summarise(values, edges=EDGES["hd95"]) for values in sites)
    pooled = np.array([value for values in sites for value in values])
    assert found["count"] == pooled.size
    assert found["histogram"] == np.histogram(pooled, EDGES["hd95"])[0].tolist()
    assert found["mean"] == (pytest.approx(pooled.mean(), abs=1e-9) if pooled.size else None)
    expected = pytest.approx(pooled.std(ddof=1), abs=1e-9) if pooled.size > 1 else None
    assert found["sd"] == expected


def test_merging_keeps_the_spread_between_sites() -> None:
    one, other = (summarise([mean, mean], edges=EDGES["dice"]) for mean in (0.2, 0.8))
    assert merge([one, other])["sd"] == pytest.approx(np.std([0.2, 0.2, 0.8, 0.8], ddof=1))


def test_merging_in_steps_equals_merging_at_once() -> None:
    generator = np.random.default_rng(8)
    parts = [summarise(generator.random(n), edges=EDGES["nsd"]) for n in (1, 7, 0, 4)]
    stepwise = merge([merge(parts[:2]), merge(parts[2:])])
    at_once = merge(parts)
    assert stepwise["histogram"] == at_once["histogram"]
    assert stepwise["mean"] == pytest.approx(at_once["mean"], rel=1e-12)
    assert stepwise["sd"] == pytest.approx(at_once["sd"], rel=1e-12)


def test_summaries_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="equal bins"):
        merge([summarise([0.5], edges=EDGES["dice"]), summarise([0.5], edges=EDGES["hd95"])])
    with pytest.raises(ValueError, match="must be some"):
        merge([])


@pytest.mark.parametrize("values", [[0.5, math.nan], [math.inf], [[0.5]]])
def test_values_that_are_not_one_number_per_patient_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite, one per patient"):
        summarise(values, edges=EDGES["hd95"])


def test_values_outside_the_edges_and_edges_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the edges"):
        summarise([0.5, 1.1], edges=EDGES["dice"])
    with pytest.raises(ValueError, match="rising"):
        summarise([0.5], edges=(0.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="rising"):
        summarise([0.5], edges=(0.0,))
