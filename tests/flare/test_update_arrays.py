"""Arrays of an update that the server takes, and all those that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.model import ModelLearnableKey
from nvflare.app_common.app_constant import AppConstants

from fedgin.flare.aggregator import OrderedWeightedAggregator

from .test_aggregator import ROUND, context, data_of, message, record_of, update

assert context  # a fixture


FLOAT32_MAX = float(np.finfo(np.float32).max)
GOOD_ARRAYS: dict[str, np.ndarray] = {
    "float16": np.ones((9, 4), np.float16),
    "float64": np.ones((9, 4), np.float64),
    "int64": np.ones((9, 4), np.int64),
    "the largest float32": np.full((9, 4), FLOAT32_MAX),
}
BAD_ARRAYS: dict[str, tuple[Any, str]] = {
    "objects": (np.full((9, 4), 1.0, dtype=object), "not finite"),
    "huge integers": (np.full((9, 4), 10**400, dtype=object), "not finite"),
    "a list": ([[1.0] * 4] * 9, "not finite"),
    "a ragged list": ([[1.0], [1.0, 2.0]], "not finite"),
    "a nested mapping": ({"weight": np.ones((9, 4))}, "not finite"),
    "complex": (np.ones((9, 4), np.complex64), "not finite"),
    "truths": (np.ones((9, 4), bool), "not finite"),
    "texts": (np.full((9, 4), "1"), "not finite"),
    "bytes": (np.full((9, 4), b"1"), "not finite"),
    "times": (np.zeros((9, 4), "datetime64[s]"), "not finite"),
    "records": (np.zeros((9, 4), [("a", "f4")]), "not finite"),
    "nothing": (None, "not finite"),
    "beyond float32": (np.full((9, 4), 2 * FLOAT32_MAX), "not finite"),
    "beyond float64": (np.full((9, 4), np.longdouble("1e4000")), "not finite"),
    "one nan": (np.where(np.arange(36).reshape(9, 4) == 35, np.nan, 1.0), "not finite"),
    "a number": (np.float32(1.0), "other shapes"),
    "one more axis": (np.ones((9, 4, 1), np.float32), "other shapes"),
    "turned": (np.ones((4, 9), np.float32), "other shapes"),
    "in a row": (np.ones(36, np.float32), "other shapes"),
    "too many": (np.ones((900, 400), np.float32), "other shapes"),
    "none at all": (np.ones((0, 4), np.float32), "other shapes"),
}


@pytest.fixture
def with_model(context: FLContext) -> FLContext:
    weights = {name: np.zeros_like(array) for name, array in update("site-1").items()}
    model = {ModelLearnableKey.WEIGHTS: weights}
    context.set_prop(AppConstants.GLOBAL_MODEL, model, private=True, sticky=False)
    return context


@pytest.mark.parametrize("array", GOOD_ARRAYS.values(), ids=GOOD_ARRAYS)
def test_real_numbers_of_any_width_become_float32(with_model: FLContext, array: np.ndarray) -> None:
    aggregator = OrderedWeightedAggregator()
    data = {**update("site-1"), "weight": array}
    assert aggregator.accept(message(data=data), with_model)
    found = data_of(aggregator.aggregate(with_model))["weight"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array.astype(np.float32))


@pytest.mark.parametrize(("array", "reason"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_an_array_that_is_not_the_model_s_is_refused(
    with_model: FLContext, array: Any, reason: str
) -> None:
    aggregator = OrderedWeightedAggregator()
    data = {**update("site-1"), "weight": array}
    assert aggregator.accept(message(data=data), with_model) is False
    found = record_of(with_model).refused[ROUND]["site-1"]
    assert reason in found
    assert "'weight'" in found


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["weight"], "['bias']"),
        (["weight", "bias", "x" * 10**6], f"['{'x' * 60}']"),
        (["weight", "bias", "line\nfeed"], r"['line\nfeed']"),
        (["weight", "bias", 7], "names are no texts"),
        (["weight", "bias", ("a", "b")], "names are no texts"),
    ],
)
def test_other_names_are_refused_and_shown_short(
    with_model: FLContext, caplog: pytest.LogCaptureFixture, names: list[Any], shown: str
) -> None:
    data = {name: update("site-1").get(name, np.ones(1)) for name in names}
    assert OrderedWeightedAggregator().accept(message(data=data), with_model) is False
    assert shown in record_of(with_model).refused[ROUND]["site-1"]
    assert max(len(record.getMessage()) for record in caplog.records) < 1000


VARIANCE = "n.running_var"


@pytest.fixture
def with_variance(context: FLContext) -> FLContext:
    names = ("n.running_mean", VARIANCE)
    model = {ModelLearnableKey.WEIGHTS: {name: np.full(2, 0.5, np.float32) for name in names}}
    context.set_prop(AppConstants.GLOBAL_MODEL, model, private=True, sticky=False)
    return context


def send_variance(fl_ctx: FLContext, *values: float) -> np.ndarray | None:
    """Sends a difference of a variance of 0.5, and returns what was taken of it."""
    aggregator = OrderedWeightedAggregator()
    sent = np.array(values, np.float32)
    data = {"n.running_mean": -sent, VARIANCE: sent}
    if not aggregator.accept(message(data=data), fl_ctx):
        return None
    return data_of(aggregator.aggregate(fl_ctx))[VARIANCE]


def test_a_variance_that_would_fall_below_0_is_refused(with_variance: FLContext) -> None:
    assert send_variance(with_variance, -0.4, -0.51) is None
    reason = f"site-1 sent variances below 0: ['{VARIANCE}']"
    assert record_of(with_variance).refused[ROUND]["site-1"] == reason


@pytest.mark.parametrize(
    ("sent", "taken"), [(-0.5, -0.5), (-0.5002, -0.5), (-0.4999, -0.4999), (7.0, 7.0)]
)
def test_a_variance_that_rounding_took_below_0_is_0(
    with_variance: FLContext, sent: float, taken: float
) -> None:
    found = send_variance(with_variance, sent, sent)
    assert found is not None
    assert found.tolist() == [np.float32(taken)] * 2
