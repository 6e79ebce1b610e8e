"""Weights as arrays: nothing is lost, and what does not belong to the network is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fedgin.engine.weights import WeightsError, add, get_weights, set_weights, subtract


def small_network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.PReLU(), nn.Conv2d(3, 2, 1))


def test_weights_make_the_round_trip_into_another_network() -> None:
    first, second = small_network(0), small_network(1)
    images = torch.randn(2, 1, 5, 5)
    assert not torch.equal(first(images), second(images))
    set_weights(second, get_weights(first))
    assert torch.equal(first(images), second(images))


def test_weights_are_copies_in_both_directions() -> None:
    network = small_network()
    weights = get_weights(network)
    kept = {name: array.copy() for name, array in weights.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert all(np.array_equal(weights[name], kept[name]) for name in kept)
    set_weights(network, weights)
    for array in weights.values():
        array += 1
    assert all(np.array_equal(get_weights(network)[name], kept[name]) for name in kept)


def test_other_number_types_are_cast_to_the_networks() -> None:
    network = small_network()
    weights = {name: array.astype(np.float64) for name, array in get_weights(network).items()}
    set_weights(network, weights)
    assert {array.dtype for array in get_weights(network).values()} == {np.dtype(np.float32)}


def test_read_only_arrays_are_accepted() -> None:
    network, weights = small_network(), get_weights(small_network(1))
    for array in weights.values():
        array.setflags(write=False)
    set_weights(network, weights)
    assert all(np.array_equal(get_weights(network)[name], weights[name]) for name in weights)


def test_all_violated_rules_are_listed_together_and_nothing_is_set() -> None:
    network = small_network()
    before = get_weights(network)
    weights = get_weights(small_network(1))
    del weights["0.bias"]
    weights["head.weight"] = np.zeros(3, np.float32)
    weights["0.weight"] = weights["0.weight"][:, :, :2]
    weights["2.weight"][0, 1, 0, 0] = np.nan
    weights["2.bias"][:] = np.inf
    with pytest.raises(WeightsError) as caught:
        set_weights(network, weights)
    assert len(caught.value.problems) == 4
    message = str(caught.value)
    assert "1 missing ['0.bias'], 1 unknown ['head.weight']" in message
    assert "'0.weight': the shape must be (3, 1, 3, 3); found (3, 1, 2, 3)" in message
    assert "'2.weight': values must be finite; found 1 that are not" in message
    assert "'2.bias': values must be finite; found 2 that are not" in message
    after = get_weights(network)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_subtract_and_add_are_inverse() -> None:
    old, new = get_weights(small_network(0)), get_weights(small_network(1))
    difference = subtract(new, old)
    for name in old:
        expected = new[name].astype(np.float64) - old[name].astype(np.float64)
        np.testing.assert_allclose(difference[name], expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(add(old, difference)[name], new[name], rtol=0, atol=1e-6)
        assert difference[name].dtype == add(old, difference)[name].dtype == np.float32


def test_add_keeps_the_type_of_the_weights() -> None:
    weights = {"a": np.array([1, 2], np.float16), "b": np.array([3.0])}
    summed = add(weights, {"a": np.array([0.5, 1], np.float32), "b": np.array([1], np.float32)})
    assert [summed[name].dtype for name in "ab"] == [np.float16, np.float64]
    assert summed["a"].tolist() == [1.5, 3.0]
