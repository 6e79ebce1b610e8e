"""The gate on norms: what it refuses, in any order, and what a minority cannot bring about."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgin.engine.norm_gate import NormGate

NORMS = st.floats(min_value=0.1, max_value=10)
ANY = st.floats(min_value=0, max_value=1e30)


def test_the_first_round_s_own_median_decides() -> None:
    norms = {"a": 1.0, "b": 1.2, "c": 0.9, "d": 1.1, "e": 12.0}
    gate = NormGate(factor=5)
    refused = gate.check(norms)
    assert list(refused) == ["e"]
    assert refused["e"] == "norm 12 is above 5 times the running median 1.1"
    assert gate.accepted == ((1.0, 1.2, 0.9, 1.1),)


def test_later_rounds_are_compared_with_what_was_accepted() -> None:
    gate = NormGate(factor=5)
    assert gate.check({"a": 1.0, "b": 1.0}) == {}
    # Of two sites neither has a majority: only the past tells which one is wrong.
    assert list(gate.check({"a": 1.0, "b": 10.0})) == ["b"]
    assert list(gate.check({"a": 5.0, "b": 5.001})) == ["b"]
    # The rounds that count are (1, 1), (1) and (5): their median is 1.
    assert gate.check({"a": 4.9, "b": 4.9}) == {}
    assert NormGate(factor=5).check({"a": 1.0, "b": 10.0}) == {}


def test_a_refused_norm_does_not_count_later() -> None:
    gate = NormGate(factor=5)
    for _ in range(10):
        assert list(gate.check({"a": 1.0, "b": 1.0, "c": 100.0})) == ["c"]
    assert gate.accepted == ((1.0, 1.0),) * 3


def test_a_gate_that_was_given_the_past_decides_as_the_one_that_saw_it() -> None:
    generator = np.random.default_rng(0)
    rounds = [
        dict(zip("abcde", generator.lognormal(sigma=1.5, size=5), strict=True)) for _ in range(8)
    ]
    whole = NormGate(factor=3)
    decisions = []
    for norms in rounds:
        resumed = NormGate(factor=3, accepted=whole.accepted)
        decisions.append(whole.check(norms))
        assert resumed.check(norms) == decisions[-1]
    assert any(decisions)


def test_norms_that_rise_together_pass_up_to_the_factor() -> None:
    gate = NormGate(factor=5)
    assert gate.check(dict.fromkeys("abc", 1.0)) == {}
    assert gate.check(dict.fromkeys("abc", 5.0)) == {}
    assert list(gate.check(dict.fromkeys("abc", 25.1))) == ["a", "b", "c"]


def test_an_attack_does_not_hide_behind_larger_norms_of_earlier_rounds() -> None:
    gate = NormGate(factor=5)
    assert gate.check(dict.fromkeys("abcde", 30.0)) == {}
    assert list(gate.check({**dict.fromkeys("abcd", 12.0), "e": 120.0})) == ["e"]


def test_only_the_last_rounds_count() -> None:
    for rounds, expected in ((1, []), (2, ["a", "b"])):
        gate = NormGate(factor=5, rounds=rounds, accepted=[[1.0] * 3, [], [4.0, 4.0]])
        assert list(gate.check({"a": 10.0, "b": 10.0})) == expected


@pytest.mark.parametrize("norm", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_refused(norm: float) -> None:
    assert list(NormGate().check({"a": 1.0, "b": norm, "c": 1.0})) == ["b"]
    assert list(NormGate().check({"b": norm})) == ["b"]


@pytest.mark.parametrize("factor", [1.0, 0.0, math.nan])
def test_a_factor_that_refuses_the_ordinary_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        NormGate(factor=factor)
    with pytest.raises(ValueError, match="round"):
        NormGate(rounds=0)


def test_a_round_without_updates_is_no_error() -> None:
    assert NormGate().check({}) == {}


@given(st.lists(NORMS, min_size=2, max_size=5), st.lists(ANY, max_size=2))
def test_the_order_of_arrival_does_not_matter(honest: list[float], others: list[float]) -> None:
    norms = {f"site-{number}": norm for number, norm in enumerate([*honest, *others])}
    expected = NormGate(factor=2, accepted=[[1.0]]).check(norms)
    for order in itertools.islice(itertools.permutations(norms), 24):
        found = NormGate(factor=2, accepted=[[1.0]]).check({site: norms[site] for site in order})
        assert list(found.items()) == list(expected.items())


@given(
    st.lists(
        st.tuples(st.lists(NORMS, min_size=3, max_size=5), st.lists(ANY, max_size=2)),
        min_size=1,
        max_size=6,
    ),
)
def test_a_minority_neither_passes_with_more_nor_has_the_others_refused(
    rounds: list[tuple[list[float], list[float]]],
) -> None:
    gate = NormGate(factor=100)  # honest norms differ by up to 100
    for honest, others in rounds:
        norms = {f"honest-{number}": norm for number, norm in enumerate(honest)}
        norms |= {f"other-{number}": norm for number, norm in enumerate(others)}
        refused = gate.check(norms)
        assert not any(site.startswith("honest") for site in refused)
        assert all(norms[site] <= 100 * max(honest) for site in norms.keys() - refused.keys())
