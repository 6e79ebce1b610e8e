"""An update's norm is bounded by clipping, its direction kept."""

from __future__ import annotations

import numpy as np
import pytest
from updates import an_update, flat

from fedgin.privacy.clipping import clip_update, update_norm


def test_the_norm_is_that_of_all_values_together() -> None:
    update = an_update()
    assert update_norm(update) == pytest.approx(float(np.linalg.norm(flat(update))), rel=1e-14)
    assert update_norm({}) == 0.0
    assert update_norm({"a": np.zeros(3, np.float32)}) == 0.0


def test_a_norm_whose_squares_overflow_is_still_right() -> None:
    assert update_norm({"a": np.array([3e200, 4e200])}) == pytest.approx(5e200, rel=1e-14)


def test_a_large_update_is_shrunk_to_the_limit_and_a_small_one_kept_bit_for_bit() -> None:
    update = an_update(scale=100)
    clipped, norm = clip_update(update, max_norm=0.5)
    assert norm == pytest.approx(float(np.linalg.norm(flat(update))), rel=1e-14)
    assert update_norm(clipped) == pytest.approx(0.5, rel=1e-6)
    np.testing.assert_allclose(flat(clipped), flat(update) * 0.5 / norm, rtol=1e-6)
    same, _ = clip_update(update, max_norm=norm * 1.001)
    for name, array in update.items():
        assert np.array_equal(same[name], array)
        assert same[name].dtype == np.float32
        assert same[name].shape == array.shape
        assert not np.shares_memory(same[name], array)


def test_in_float64_the_limit_holds_to_the_last_digits() -> None:
    """The noise is scaled to the limit, so that the limit must be one."""
    exact = {name: array.astype(np.float64) for name, array in an_update(scale=1e3).items()}
    clipped, _ = clip_update(exact, max_norm=1.0)
    assert update_norm(clipped) <= 1 + 1e-14


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_limits_nothing_is_an_error(limit: float) -> None:
    with pytest.raises(ValueError, match="max_norm"):
        clip_update(an_update(), max_norm=limit)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        clip_update({"a": np.array([1.0, value])}, max_norm=1.0)
