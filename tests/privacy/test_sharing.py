"""The heuristics send what they say, by a brute-force sort."""

from __future__ import annotations

import re

import numpy as np
import pytest
from updates import an_update, flat

from fedgin.privacy.sharing import partial_sharing, percentile_sharing, top_k_sharing


@pytest.mark.parametrize(("percentile", "kept"), [(0.0, 41), (10.0, 37), (50.0, 21), (99.0, 1)])
def test_percentile_holds_back_the_smallest_and_limits_the_others(
    percentile: float, kept: int
) -> None:
    update = an_update()
    sent = flat(percentile_sharing(update, percentile=percentile, limit=0.8))
    values = flat(update)
    largest = np.argsort(np.abs(values))[values.size - kept :]
    expected = np.zeros_like(values)
    expected[largest] = np.clip(values[largest], -np.float32(0.8), np.float32(0.8))
    assert np.array_equal(sent, expected)


@pytest.mark.parametrize(("share", "kept"), [(1.0, 41), (0.5, 20), (0.1, 4), (1e-9, 1)])
def test_top_k_sends_the_largest_unchanged(share: float, kept: int) -> None:
    update = an_update()
    sent, values = flat(top_k_sharing(update, share=share)), flat(update)
    expected = np.zeros_like(values)
    largest = np.argsort(np.abs(values))[values.size - kept :]
    expected[largest] = values[largest]
    assert np.array_equal(sent, expected)


def test_equal_values_are_still_counted() -> None:
    update = {"a": np.ones(10, np.float32)}
    assert np.count_nonzero(top_k_sharing(update, share=0.3)["a"]) == 3
    assert np.count_nonzero(percentile_sharing(update, percentile=30, limit=2)["a"]) == 7


def test_types_and_shapes_stay_and_the_update_is_not_written_into() -> None:
    update = an_update()
    before = flat(update)
    for sent in (
        percentile_sharing(update, percentile=50, limit=0.1),
        top_k_sharing(update, share=0.5),
        partial_sharing(update, keep_local=re.compile("scale")),
    ):
        assert {n: (a.shape, a.dtype) for n, a in sent.items()} == {
            n: (a.shape, a.dtype) for n, a in update.items()
        }
    assert np.array_equal(flat(update), before)


def test_partial_sharing_matches_whole_names() -> None:
    update = an_update()
    sent = partial_sharing(update, keep_local=re.compile(r"conv|.*\.bias"))
    assert not sent["conv.bias"].any()
    assert np.array_equal(sent["conv.weight"], update["conv.weight"])


@pytest.mark.parametrize("percentile", [-1.0, 100.0, float("nan")])
def test_a_percentile_out_of_range_is_an_error(percentile: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile_sharing(an_update(), percentile=percentile, limit=1.0)


@pytest.mark.parametrize("limit", [0.0, float("inf"), float("nan")])
def test_a_limit_out_of_range_is_an_error(limit: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        percentile_sharing(an_update(), percentile=10.0, limit=limit)


@pytest.mark.parametrize("share", [0.0, 1.1, float("nan")])
def test_a_share_out_of_range_is_an_error(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        top_k_sharing(an_update(), share=share)
