"""Which method makes one update of many, how many sites that needs, and what refusals count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedgin.engine.aggregation import aggregate_updates, describe, shortage
from fedgin.engine.averaging import average_updates
from fedgin.engine.robust import (
    clipped_mean,
    coordinate_median,
    multi_krum,
    norm_of,
    trimmed_mean,
)
from fedgin.engine.weights import Weights
from fedgin.errors import ConfigError
from fedgin.federation_settings import FederationSettings, check_controls

Loaders = dict[str, Callable[[], Weights]]


def made(n: int) -> Loaders:
    generator = np.random.default_rng(n)
    updates: Loaders = {}
    for number in range(n):
        arrays = {"w": generator.normal(size=(4, 3)).astype(np.float32) * (1 + number)}
        updates[f"site-{number}"] = lambda arrays=arrays: arrays  # type: ignore[misc]
    return updates


def claims(updates: Loaders) -> dict[str, float]:
    return {site: 1.0 + number for number, site in enumerate(updates)}


def rules(**values: Any) -> FederationSettings:
    return FederationSettings.model_validate(values)


def made_of(updates: Loaders, *, refused: int = 0, **values: Any) -> np.ndarray:
    found, _ = aggregate_updates(
        updates, rules=rules(**values), weights=claims(updates), refused=refused
    )
    return found["w"]


def test_each_name_is_its_method() -> None:
    updates, alike = made(7), claims(made(7))
    median_norm = float(np.median([norm_of(load()) for load in updates.values()]))
    expected = {
        "mean": average_updates(updates, weights=alike),
        "median": coordinate_median(updates),
        "trimmed_mean": trimmed_mean(updates, trim=0.2),
        "multi_krum": multi_krum(updates, byzantine=1),
        "norm_clipping": clipped_mean(updates, weights=alike, max_norm=median_norm),
    }
    for aggregation, arrays in expected.items():
        found = made_of(updates, aggregation=aggregation)
        assert found.tobytes() == arrays["w"].tobytes()
    assert len({arrays["w"].tobytes() for arrays in expected.values()}) == len(expected)


def test_parameters_reach_the_method() -> None:
    updates = made(7)
    for values, arrays in (
        ({"aggregation": "trimmed_mean", "trim": 0.4}, trimmed_mean(updates, trim=0.4)),
        ({"aggregation": "multi_krum", "byzantine": 2}, multi_krum(updates, byzantine=2)),
        (
            {"aggregation": "norm_clipping", "clip_norm": 2.0},
            clipped_mean(updates, weights=claims(updates), max_norm=2.0),
        ),
    ):
        assert made_of(updates, **values).tobytes() == arrays["w"].tobytes()


@pytest.mark.parametrize("aggregation", ["median", "trimmed_mean", "multi_krum"])
def test_what_sites_claim_has_no_weight_where_all_count_alike(aggregation: str) -> None:
    updates = made(7)
    huge = {**claims(updates), "site-3": 1e12}
    chosen = rules(aggregation=aggregation)
    found, _ = aggregate_updates(updates, rules=chosen, weights=huge)
    assert found["w"].tobytes() == made_of(updates, aggregation=aggregation).tobytes()


def test_shares_are_those_of_the_mean_and_none_where_coordinates_are_chosen() -> None:
    updates = made(7)
    for aggregation in ("mean", "norm_clipping"):
        _, shares = aggregate_updates(
            updates, rules=rules(aggregation=aggregation), weights=claims(updates)
        )
        assert shares == pytest.approx({f"site-{n}": (1 + n) / 28 for n in range(7)})
    for aggregation in ("median", "trimmed_mean"):
        found = aggregate_updates(
            updates, rules=rules(aggregation=aggregation), weights=claims(updates)
        )
        assert found[1] == {}
    _, shares = aggregate_updates(
        updates, rules=rules(aggregation="multi_krum"), weights=claims(updates)
    )
    assert sorted(shares.values()) == pytest.approx([0.0] + [1 / 6] * 6)


def test_updates_of_which_half_are_zero_are_not_divided_by_zero() -> None:
    updates: Loaders = {
        site: (lambda value=value: {"w": np.full(2, value, np.float32)})
        for site, value in {"a": 0.0, "b": 0.0, "c": 3.0}.items()
    }
    assert np.isfinite(made_of(updates, aggregation="norm_clipping")).all()


ENOUGH: list[tuple[dict[str, Any], int]] = [
    ({"aggregation": "mean"}, 1),
    ({"aggregation": "norm_clipping"}, 1),
    ({"aggregation": "median"}, 3),
    ({"aggregation": "trimmed_mean"}, 5),
    ({"aggregation": "trimmed_mean", "trim": 0.1}, 10),
    ({"aggregation": "multi_krum"}, 5),
    ({"aggregation": "multi_krum", "byzantine": 3}, 9),
]


@pytest.mark.parametrize(("values", "least"), ENOUGH)
def test_a_method_says_how_many_sites_it_needs(values: dict[str, Any], least: int) -> None:
    assert shortage(rules(**values), accepted=least) is None
    assert made_of(made(least), **values).shape == (4, 3)
    assert shortage(rules(**values), accepted=least - 1) is not None
    if least > 1:
        with pytest.raises(ValueError, match=f"{least - 1}"):
            made_of(made(least - 1), **values)


@pytest.mark.parametrize(("values", "least"), ENOUGH)
def test_a_site_that_is_refused_cannot_stop_the_others(values: dict[str, Any], least: int) -> None:
    for refused in range(1, least):
        assert shortage(rules(**values), accepted=least - refused, refused=refused) is None
        assert made_of(made(least - refused), refused=refused, **values).shape == (4, 3)


def test_a_refused_site_is_one_of_those_provided_for() -> None:
    alike = dict.fromkeys(made(6), 1.0)
    mean = average_updates(made(6), weights=alike)["w"]
    krum = {"aggregation": "multi_krum", "byzantine": 2}
    one_left = multi_krum(made(6), byzantine=1)["w"]
    assert made_of(made(6), refused=1, **krum).tobytes() == one_left.tobytes()
    assert made_of(made(6), refused=2, **krum).tobytes() == mean.tobytes()
    cut = {"aggregation": "trimmed_mean", "trim": 0.25}  # two of eight at either end
    np.testing.assert_allclose(made_of(made(6), refused=2, **cut), mean, rtol=1e-6, atol=1e-7)
    one_cut = trimmed_mean(made(7), trim=1.001 / 7)["w"]
    assert made_of(made(7), refused=1, **cut).tobytes() == one_cut.tobytes()


def test_the_words_name_method_parameters_and_gate() -> None:
    assert describe(rules()) == (
        "mean, weighting slices; norms refused: above 5 times the running median"
    )
    off = {"update_gate": {"enabled": False}}
    for values, words in (
        ({"aggregation": "median"}, "median of each coordinate; norms refused: none"),
        ({"aggregation": "trimmed_mean", "trim": 0.1}, "without the share 0.1 at either end"),
        ({"aggregation": "multi_krum"}, "multi-Krum with byzantine 1"),
        ({"aggregation": "norm_clipping"}, "the median of their norms, weighting slices"),
        ({"aggregation": "norm_clipping", "clip_norm": 2.5}, "clipped to norm 2.5"),
        ({"max_weight_share": 0.5}, "no share above 0.5"),
    ):
        assert words in describe(rules(**values, **off))


def test_scaffold_s_controls_need_the_mean() -> None:
    check_controls(rules(), where="here")
    with pytest.raises(ConfigError, match=r"here: key 'aggregation'.*found median"):
        check_controls(rules(aggregation="median"), where="here")
