"""Arrays laid end to end come back as they were, and what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fedgin.encryption.packing as packing
from fedgin.encryption.packing import Layout, pack, unpack
from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.settings import make_settings


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "z.weight": generator.normal(size=(3, 2, 5)).astype(np.float32),
        "a.bias": generator.normal(size=7).astype(np.float32),
        "a.count": np.array(4, dtype=np.int64),
    }


@pytest.mark.parametrize("block", [1, 7, 38, 1000])
def test_arrays_come_back_as_float32_whatever_the_length_of_a_vector(
    weights: dict[str, np.ndarray], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "BLOCK", block)
    layout = Layout.of(weights)
    assert layout.numbers == 30 + 7 + 1
    blocks = pack(weights, layout)
    assert {name: len(vector) for name, vector in blocks.items()} == layout.block_sizes
    assert max(layout.block_sizes.values()) <= block
    assert len(blocks) == -(-38 // block)
    back = unpack({name: list(map(float, vector)) for name, vector in blocks.items()}, layout)
    assert list(back) == sorted(weights)
    for name, array in weights.items():
        assert back[name].dtype == np.float32
        assert back[name].shape == array.shape
        assert np.array_equal(back[name], array.astype(np.float32))


def test_the_order_of_the_arrays_does_not_matter(weights: dict[str, np.ndarray]) -> None:
    turned = dict(reversed(weights.items()))
    assert Layout.of(turned) == Layout.of(weights)
    first, second = (pack(w, Layout.of(weights)) for w in (weights, turned))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_real_network_comes_back_whole() -> None:
    network = get_weights(build_network(make_settings(task="heart", normalization="batch")))
    layout = Layout.of(network)
    back = unpack(pack(network, layout), layout)
    assert back.keys() == network.keys()
    assert all(np.array_equal(back[name], network[name].astype(np.float32)) for name in network)


def test_arrays_of_another_network_are_refused(weights: dict[str, np.ndarray]) -> None:
    layout = Layout.of(weights)
    for other in (
        {**weights, "a.bias": np.zeros(8)},
        {**weights, "more": np.zeros(1)},
        {name: array for name, array in weights.items() if name != "a.bias"},
    ):
        with pytest.raises(ValueError, match="not the network's"):
            pack(other, layout)


def test_vectors_that_do_not_fit_are_refused(weights: dict[str, np.ndarray]) -> None:
    layout = Layout.of(weights)
    good = pack(weights, layout)
    (name,) = good
    with pytest.raises(ValueError, match="not the network's"):
        unpack({}, layout)
    with pytest.raises(ValueError, match="not the network's"):
        unpack({**good, "block_00001": np.zeros(1)}, layout)
    with pytest.raises(ValueError, match="shape"):
        unpack({name: good[name][:-1]}, layout)
    for value in (float("nan"), float("-inf"), 1e5):
        with pytest.raises(ValueError, match="not below"):
            unpack({name: [*good[name][:-1], value]}, layout)
