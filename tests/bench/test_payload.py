"""Ways of sending an update: bytes that are counted, numbers that arrive as told."""

from __future__ import annotations

import numpy as np
import pytest

from fedgin.bench.payload import WAYS


@pytest.fixture
def update() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "a": generator.normal(size=(40, 10)).astype(np.float32),
        "b": (generator.normal(size=100) * 1e-3).astype(np.float32),
        "c": np.zeros(500, dtype=np.float32),
    }


BYTES = {"float32": 4000, "float16": 2000, "8 bit": 1000 + 3 * 4, "its largest tenth": 100 * 8}


@pytest.mark.parametrize("name", WAYS)
def test_the_bytes_are_those_of_what_is_sent(name: str, update: dict[str, np.ndarray]) -> None:
    size, came = WAYS[name](update)
    assert size == BYTES[name]
    assert {key: array.shape for key, array in came.items()} == {
        key: array.shape for key, array in update.items()
    }


def test_rounding_stays_within_half_a_step(update: dict[str, np.ndarray]) -> None:
    came = WAYS["8 bit"](update)[1]
    for name, array in update.items():
        step = np.abs(array).max() / 127
        assert np.abs(came[name] - array).max() <= step / 2 * (1 + 1e-5)


def test_of_the_largest_tenth_each_number_arrives_at_its_place(
    update: dict[str, np.ndarray],
) -> None:
    came = np.concatenate([one.ravel() for one in WAYS["its largest tenth"](update)[1].values()])
    whole = np.concatenate([one.ravel() for one in update.values()])
    largest = np.argsort(-np.abs(whole))[:100]
    expected = np.zeros_like(whole)
    expected[largest] = whole[largest]
    np.testing.assert_array_equal(came, expected)
