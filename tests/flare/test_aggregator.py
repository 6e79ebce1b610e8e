"""The aggregator with FLARE's own messages and context."""

from __future__ import annotations

import itertools
import logging
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.fl_constant import ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.workspace import Workspace
from nvflare.app_common.app_constant import AppConstants

from fedgin.flare.aggregator import OrderedWeightedAggregator

ROUND = 3
MASS = {"site-1": 117.0, "site-2": 40, "site-3": 3.5, "site-10": 911}
Arrays = dict[str, np.ndarray]


class WorkspaceHolder:
    """The one thing that the aggregator asks of the server's engine: where the run's files lie."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get_workspace(self) -> Workspace:
        return self._workspace


@pytest.fixture
def context(tmp_path: Path) -> FLContext:
    for folder in ("startup", "local", "job-1"):
        (tmp_path / folder).mkdir()
    fl_ctx = FLContext()
    workspace = Workspace(root_dir=str(tmp_path))
    Path(workspace.get_run_dir("job-1")).mkdir(exist_ok=True)
    fl_ctx.set_prop(ReservedKey.ENGINE, WorkspaceHolder(workspace), private=True, sticky=False)
    fl_ctx.set_prop(ReservedKey.RUN_NUM, "job-1", private=False, sticky=False)
    fl_ctx.set_prop(AppConstants.CURRENT_ROUND, ROUND, private=True, sticky=False)
    return fl_ctx


def update(site: str) -> Arrays:
    generator = np.random.default_rng(len(site) + sorted(MASS).index(site))
    return {
        "weight": (generator.normal(size=(9, 4)) * 100).astype(np.float32),
        "bias": generator.normal(size=5).astype(np.float32),
    }


def message(
    site: str = "site-1",
    *,
    weight: Any = 117.0,
    kind: str = DataKind.WEIGHT_DIFF,
    data: Arrays | None = None,
    round_number: Any = ROUND,
) -> Shareable:
    dxo = DXO(data_kind=kind, data=update(site) if data is None else data)
    if weight is not None:
        dxo.set_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND, weight)
    shareable = dxo.to_shareable()
    shareable.set_peer_props({ReservedKey.IDENTITY_NAME: site})
    shareable.add_cookie(AppConstants.CONTRIBUTION_ROUND, round_number)
    return shareable


def result_of(
    context: FLContext, order: tuple[str, ...], aggregator: OrderedWeightedAggregator | None = None
) -> Arrays:
    aggregator = aggregator or OrderedWeightedAggregator()
    for site in order:
        assert aggregator.accept(message(site, weight=MASS[site]), context)
    return data_of(aggregator.aggregate(context))


def data_of(shareable: Shareable) -> Arrays:
    dxo = from_shareable(shareable)
    assert dxo.data_kind == DataKind.WEIGHT_DIFF
    found: Arrays = dxo.data
    return found


def same_bits(first: Arrays, second: Arrays) -> bool:
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


def test_the_result_is_the_weighted_mean(context: FLContext) -> None:
    found = result_of(context, tuple(MASS))
    total = math.fsum(MASS.values())
    for name, array in found.items():
        expected = sum(update(site)[name].astype(np.float64) * MASS[site] for site in MASS) / total
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, expected, rtol=1e-6)


def test_the_order_of_arrival_changes_no_bit(context: FLContext) -> None:
    # Values whose float64 sum depends on the order, visibly in float32.
    values = dict(zip(MASS, (1e20, 3.0, -1e20, 5.0), strict=True))
    found = set()
    for order in itertools.permutations(MASS):
        aggregator = OrderedWeightedAggregator()
        for site in order:
            data = {"weight": np.array([values[site]], np.float32)}
            assert aggregator.accept(message(site, weight=1, data=data), context)
        found.add(data_of(aggregator.aggregate(context))["weight"].tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("limit_mb", [0.0, 200e-6])
def test_updates_on_disk_give_the_same_bits_and_leave_nothing(
    context: FLContext, tmp_path: Path, limit_mb: float
) -> None:
    reference = result_of(context, tuple(MASS))
    aggregator = OrderedWeightedAggregator(spool_above_mb=limit_mb)
    for site in MASS:
        assert aggregator.accept(message(site, weight=MASS[site]), context)
    on_disk = len(list(tmp_path.rglob("*.npz")))
    assert on_disk == (len(MASS) if limit_mb == 0 else len(MASS) - 1)
    assert same_bits(data_of(aggregator.aggregate(context)), reference)
    assert list(tmp_path.rglob("*.npz")) == []
    assert list(tmp_path.rglob("spool-*")) == []


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "whole weights": ({"kind": DataKind.WEIGHTS}, "not a weight difference"),
    "no arrays": ({"data": {}}, "DXO|not a weight difference"),
    "nan": ({"data": {"weight": np.array([1, np.nan])}}, r"not finite in \['weight'\]"),
    "inf": ({"data": {"a": np.ones(2), "b": np.array(-np.inf)}}, r"not finite in \['b'\]"),
    "texts": ({"data": {"weight": np.array(["1"])}}, "not finite"),
    "an earlier round": ({"round_number": ROUND - 1}, "answered round 2 in round 3"),
    "no round": ({"round_number": None}, "no site or round"),
    "weight 0": ({"weight": 0}, "weight 0"),
    "weight nan": ({"weight": math.nan}, "weight nan"),
    "weight inf": ({"weight": math.inf}, "weight inf"),
    "negative weight": ({"weight": -4}, "weight -4"),
    "a text as weight": ({"weight": "117"}, "weight '117'"),
    "no weight": ({"weight": None}, "weight None"),
}


@pytest.mark.parametrize(("values", "reason"), BAD.values(), ids=BAD)
def test_a_contribution_that_breaks_a_rule_is_refused_with_the_reason(
    context: FLContext, caplog: pytest.LogCaptureFixture, values: dict[str, Any], reason: str
) -> None:
    aggregator = OrderedWeightedAggregator()
    with caplog.at_level(logging.ERROR):
        assert aggregator.accept(message("site-1", **values), context) is False
    assert re.search(f"contribution refused.*({reason})", caplog.text)
    assert aggregator.accept(message("site-2", weight=2), context)
    assert same_bits(data_of(aggregator.aggregate(context)), alone(context, "site-2", 2))


def alone(context: FLContext, site: str, weight: float) -> Arrays:
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(message(site, weight=weight), context)
    return data_of(aggregator.aggregate(context))


def test_an_error_code_is_refused(context: FLContext, caplog: pytest.LogCaptureFixture) -> None:
    failed = message()
    failed.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    assert OrderedWeightedAggregator().accept(failed, context) is False
    assert "site-1 answered EXECUTION_EXCEPTION" in caplog.text


def test_an_anonymous_or_empty_message_is_refused(context: FLContext) -> None:
    nameless = message()
    nameless.set_peer_props({})
    assert OrderedWeightedAggregator().accept(nameless, context) is False
    assert OrderedWeightedAggregator().accept(Shareable(), context) is False


def test_a_second_answer_is_refused_and_the_first_counts(
    context: FLContext, caplog: pytest.LogCaptureFixture
) -> None:
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(message(weight=5), context)
    second = message(weight=1e9, data={"weight": np.ones((9, 4)), "bias": np.ones(5)})
    assert aggregator.accept(second, context) is False
    assert "twice" in caplog.text
    np.testing.assert_allclose(
        data_of(aggregator.aggregate(context))["bias"], update("site-1")["bias"], rtol=1e-6
    )


def test_a_round_does_not_see_the_one_before(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator()
    result_of(context, ("site-1", "site-2"), aggregator)
    again = result_of(context, ("site-1",), aggregator)
    np.testing.assert_allclose(again["bias"], update("site-1")["bias"], rtol=1e-6)


def test_reset_forgets_the_updates(context: FLContext, tmp_path: Path) -> None:
    aggregator = OrderedWeightedAggregator(spool_above_mb=0)
    assert aggregator.accept(message(), context)
    aggregator.reset(context)
    assert list(tmp_path.rglob("spool-*")) == []
    with pytest.raises(RuntimeError, match="round 3: nothing to aggregate"):
        aggregator.aggregate(context)


def test_nothing_to_aggregate_is_an_error(context: FLContext) -> None:
    with pytest.raises(RuntimeError, match="no site contributed"):
        OrderedWeightedAggregator().aggregate(context)
