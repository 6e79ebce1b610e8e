"""Batch statistics of several sites against those of their pooled raw values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from fedgin.engine.averaging import (
    average_updates,
    control_update,
    statistics_pairs,
    weighted_mean,
)
from fedgin.engine.weights import add, get_weights, set_weights, subtract

Arrays = dict[str, np.ndarray]
COUNTS = {"a": 40, "b": 25, "c": 300}


def lazily(contributions: dict[str, Arrays]) -> dict[str, Callable[[], Arrays]]:
    return {site: (lambda arrays=arrays: arrays) for site, arrays in contributions.items()}


def raw(site: str) -> np.ndarray:
    number = sorted(COUNTS).index(site)
    generator = np.random.default_rng(number)
    return generator.normal(3.0 * number - 2, 1 + number, size=(COUNTS[site], 4))


def statistics(values: np.ndarray, *, batches: int = 5) -> Arrays:
    return {
        "layer.weight": np.ones(4, np.float32),
        "layer.running_mean": values.mean(axis=0).astype(np.float32),
        "layer.running_var": values.var(axis=0).astype(np.float32),
        "layer.num_batches_tracked": np.asarray(batches),
    }


GLOBAL = statistics(np.random.default_rng(9).normal(1, 2, size=(50, 4)), batches=2)


def averaged(sites: dict[str, Arrays], weights: dict[str, float]) -> Arrays:
    differences = {site: subtract(arrays, GLOBAL) for site, arrays in sites.items()}
    return add(GLOBAL, average_updates(lazily(differences), weights=weights))


def test_the_average_has_the_statistics_of_all_raw_values_together() -> None:
    sites = {site: statistics(raw(site)) for site in COUNTS}
    found = averaged(sites, {site: float(count) for site, count in COUNTS.items()})
    pooled = np.concatenate([raw(site) for site in COUNTS])
    np.testing.assert_allclose(found["layer.running_mean"], pooled.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["layer.running_var"], pooled.var(axis=0), rtol=1e-5)
    # The mean of the variances is something else here, so the test can fail.
    plain = weighted_mean(lazily(sites), weights={s: float(c) for s, c in COUNTS.items()})
    assert not np.allclose(plain["layer.running_var"], pooled.var(axis=0), rtol=0.1)


def test_a_single_site_keeps_its_statistics_to_the_bit() -> None:
    difference = subtract(statistics(raw("b")), GLOBAL)
    found = average_updates(lazily({"b": difference}), weights={"b": 117.0})
    assert found.keys() == difference.keys()
    assert all(found[name].tobytes() == difference[name].tobytes() for name in found)


def test_sites_that_agree_keep_their_statistics() -> None:
    difference = subtract(statistics(raw("c")), GLOBAL)
    weights = {"a": 3.0, "b": 117.0, "c": 0.1}
    found = average_updates(lazily(dict.fromkeys(weights, difference)), weights=weights)
    for name in found:
        np.testing.assert_allclose(found[name], difference[name], rtol=1e-6)


def test_other_arrays_and_the_count_of_batches_take_the_mean() -> None:
    sites = {site: statistics(raw(site), batches=n) for site, n in (("a", 10), ("b", 20))}
    weights = {"a": 1.0, "b": 3.0}
    differences = {site: subtract(arrays, GLOBAL) for site, arrays in sites.items()}
    differences["a"]["layer.weight"] += np.float32(0.5)
    found = average_updates(lazily(differences), weights=weights)
    plain = weighted_mean(lazily(differences), weights=weights)
    assert float(found["layer.num_batches_tracked"]) == 17.5 - 2
    assert np.array_equal(found["layer.weight"], plain["layer.weight"])
    assert np.array_equal(found["layer.running_mean"], plain["layer.running_mean"])


def test_without_statistics_it_is_the_weighted_mean_to_the_bit() -> None:
    generator = np.random.default_rng(0)
    sites = {s: {"w": generator.normal(size=7).astype(np.float32)} for s in COUNTS}
    weights = {site: float(count) for site, count in COUNTS.items()}
    found, plain = (f(lazily(sites), weights=weights) for f in (average_updates, weighted_mean))
    assert found["w"].tobytes() == plain["w"].tobytes()


def test_a_network_of_torch_takes_the_average() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    before = get_weights(network)
    differences = {}
    for site, shift in (("a", 0.0), ("b", 4.0)):
        set_weights(network, before)
        network.train()(torch.randn(5, 1, 8, 8) + shift)
        differences[site] = subtract(get_weights(network), before)
    after = add(before, average_updates(lazily(differences), weights={"a": 1.0, "b": 1.0}))
    set_weights(network, after)
    assert int(network[1].num_batches_tracked) == 1
    assert (network[1].running_var > 0).all()


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["running_mean", "running_var"], {"running_mean": "running_var"}),
        (["a.running_mean", "b.running_var"], {}),
        (["a.notrunning_mean", "a.notrunning_var"], {}),
        (["a.running_mean", "a.weight"], {}),
        (
            ["n.sets.similar.running_mean", "n.sets.similar.running_var", "n.x"],
            {"n.sets.similar.running_mean": "n.sets.similar.running_var"},
        ),
    ],
)
def test_a_mean_and_a_variance_of_one_layer_make_a_pair(
    names: list[str], pairs: dict[str, str]
) -> None:
    assert statistics_pairs(names) == pairs


def test_controls_count_alike_and_silent_sites_count_with_zero() -> None:
    sites = {"a": {"w": np.array([4.0, -8.0], np.float32)}, "b": {"w": np.zeros(2, np.float32)}}
    assert control_update(lazily(sites), n_sites=2)["w"].tolist() == [2.0, -4.0]
    assert control_update(lazily(sites), n_sites=4)["w"].tolist() == [1.0, -2.0]
    assert control_update(lazily(sites), n_sites=4)["w"].dtype == np.float32
