"""float16 on the way: the error stays within its bound, and nothing becomes infinite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgin.privacy.precision import (
    ABSOLUTE_ERROR,
    LARGEST_HALF,
    RELATIVE_ERROR,
    to_half,
    widen_halves,
)


def there_and_back(values: np.ndarray) -> np.ndarray:
    halves, _ = to_half({"a": values})
    assert halves["a"].dtype == np.float16
    back = widen_halves(halves)["a"]
    assert back.dtype == np.float32
    return back


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
@settings(deadline=None)
def test_the_error_is_bounded_for_every_float32(numbers: list[float]) -> None:
    values = np.asarray(numbers, np.float32)
    back = there_and_back(values).astype(np.float64)
    inside = np.clip(values.astype(np.float64), -LARGEST_HALF, LARGEST_HALF)
    bound = np.maximum(RELATIVE_ERROR * np.abs(inside), ABSOLUTE_ERROR)
    assert (np.abs(back - inside) <= bound).all()


def test_the_bound_is_reached_so_that_a_smaller_one_would_be_wrong() -> None:
    half_a_step = np.array([1 + 2**-11, 2**-25], np.float32)
    error = np.abs(there_and_back(half_a_step).astype(np.float64) - half_a_step)
    assert error.tolist() == [2**-11, 2**-25]


def test_every_half_survives_bit_for_bit() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].astype(np.float32)
    assert np.array_equal(there_and_back(finite).view(np.uint32), finite.view(np.uint32))


def test_values_beyond_the_largest_are_cut_to_it_and_counted() -> None:
    halves, cut = to_half({"a": np.array([1e5, -7e4, 65504.0, 3e38, 65519.0], np.float32)})
    assert cut == 4
    assert halves["a"].tolist() == [65504.0, -65504.0, 65504.0, 65504.0, 65504.0]


def test_a_number_without_dimensions_stays_an_array() -> None:
    halves, _ = to_half({"a": np.asarray(0.1, np.float32)})
    assert isinstance(halves["a"], np.ndarray)
    assert widen_halves(halves)["a"].shape == ()


def test_other_types_are_not_widened() -> None:
    update = {"a": np.ones(2, np.float32), "b": np.ones(2, np.int64), "c": np.ones(2, np.float16)}
    assert [array.dtype.str[1:] for array in widen_halves(update).values()] == ["f4", "i8", "f4"]


@pytest.mark.parametrize("values", [np.array([np.nan]), np.array([np.inf]), np.array([1])])
def test_what_is_no_finite_floating_point_number_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite floating-point"):
        to_half({"a": values})
