"""A message's size and norm are those of its arrays, however it is nested."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedgin.ledger.content import measure


def test_bytes_values_and_norm_of_nested_arrays() -> None:
    generator = np.random.default_rng(0)
    arrays = {
        "a": generator.normal(size=(3, 4)).astype(np.float32),
        "b": generator.normal(size=5).astype(np.float16),
        "c": np.arange(6, dtype=np.int32),
    }
    content = measure({"data": arrays, "meta": [{"deep": (arrays["a"],)}], "text": "naïve"})
    expected = math.sqrt(
        2 * float((arrays["a"].astype(np.float64) ** 2).sum())
        + float((arrays["b"].astype(np.float64) ** 2).sum())
    )
    assert content.norm == pytest.approx(expected, rel=1e-12)
    assert content.values == 12 + 5 + 6 + 12
    assert content.arrays == 4
    keys = len("data") + len("meta") + len("text") + len("deep") + len("abc")
    assert content.bytes == 2 * 48 + 10 + 24 + keys + len("naïve".encode())
    assert content.finite


def test_half_precision_does_not_overflow_in_the_norm() -> None:
    assert measure(np.full(4, 6e4, dtype=np.float16)).norm == pytest.approx(2 * 6e4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_norm_and_is_told(value: float) -> None:
    content = measure({"w": np.array([1.0, value])})
    assert content.norm is None
    assert not content.finite


def test_plain_values_have_no_norm_and_eight_bytes_each() -> None:
    content = measure([1, 2.5, True, None, b"abc"])
    assert (content.bytes, content.norm, content.arrays) == (4 * 8 + 3, None, 0)


def test_tensors_count_as_arrays() -> None:
    content = measure({"w": torch.full((2, 3), 2.0), "h": torch.ones(4, dtype=torch.bfloat16)})
    assert content.arrays == 2
    assert content.norm == pytest.approx(math.sqrt(6 * 4 + 4))


def test_objects_of_unknown_size_are_counted_by_type() -> None:
    content = measure([object(), object(), np.array([object()])])
    assert content.uncounted == {"builtins.object": 2, "numpy.ndarray": 1}


def test_a_message_that_holds_itself_ends() -> None:
    loop: list[object] = [np.ones(3)]
    loop.append(loop)
    assert measure(loop).values == 3


def test_each_part_that_is_unpacked_is_seen() -> None:
    class Packed:
        def __init__(self, data: object) -> None:
            self.data = data

    packed = [Packed(np.ones(1)) for _ in range(500)]  # identities of what is freed come again
    content = measure(packed, unpack=lambda v: [v.data] if isinstance(v, Packed) else v)
    assert content.values == 500
