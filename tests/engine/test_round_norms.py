"""A round's norms by group: each against its own past, and only accepted norms are the past."""

from __future__ import annotations

from fedgin.engine.round_norms import accepted_norms, refuse_large

SITES = ("a", "b", "c", "d")


def norms(**changed: dict[str, float]) -> dict[str, dict[str, float]]:
    ordinary = {"weights": 1.0, "statistics": 100.0}
    return {site: {**ordinary, **changed.get(site, {})} for site in SITES}


def test_small_weights_do_not_hide_behind_large_statistics() -> None:
    found = refuse_large(norms(c={"weights": 50.0}), accepted={}, factor=5, rounds=3)
    assert list(found) == ["c"]
    assert found["c"].startswith("c sent too much, weights: norm 50 is above 5 times")
    found = refuse_large(norms(b={"statistics": 2001.0}), accepted={}, factor=5, rounds=3)
    assert found["b"].startswith("b sent too much, statistics: norm 2001 is above 20 times")
    assert refuse_large(norms(b={"statistics": 2000.0}), accepted={}, factor=5, rounds=3) == {}


def test_the_past_of_each_group_counts_for_it_alone() -> None:
    past = {"weights": [[0.1] * 4], "statistics": [[100.0] * 4]}
    assert set(refuse_large(norms(), accepted=past, factor=5, rounds=3)) == set(SITES)
    past["weights"] = [[0.5] * 4]
    assert refuse_large(norms(), accepted=past, factor=5, rounds=3) == {}


def test_refused_norms_and_those_of_rounds_to_come_are_no_past() -> None:
    by_round = {
        0: norms(),
        2: norms(d={"weights": 99.0}),
        3: norms(a={"weights": 77.0}),
    }
    contributions = {0: ["b", "a"], 1: ["a"], 2: ["a", "b", "c"], 3: list(SITES)}
    assert accepted_norms(by_round, contributions, before=3) == {
        "weights": [[1.0, 1.0], [1.0, 1.0, 1.0]],
        "statistics": [[100.0, 100.0], [100.0, 100.0, 100.0]],
    }
    assert accepted_norms({}, {}, before=3) == {}
