"""The aggregator with FLARE's own messages and context."""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.apis.workspace import Workspace
from nvflare.app_common.app_constant import AppConstants

from fedgin.errors import ConfigError
from fedgin.flare.aggregator import OrderedWeightedAggregator
from fedgin.flare.record import RecordKeeper
from fedgin.flare.site_meta import CASES, MODALITY, SLICES
from fedgin.report.contributions import contribution_of
from fedgin.report.record_values import record_from_values, record_to_values
from fedgin.report.run_record import RunRecord

ROUND = 3
MASS = {"site-1": 117.0, "site-2": 40, "site-3": 3.5, "site-10": 911}
Arrays = dict[str, np.ndarray]


class Engine:
    """What the aggregator asks of the server's engine: where files lie, and the run's record."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.keeper = RecordKeeper()

    def get_component(self, component_id: str) -> RecordKeeper | None:
        return self.keeper if component_id == "record" else None

    def get_workspace(self) -> Workspace:
        return self._workspace


@pytest.fixture
def context(tmp_path: Path) -> FLContext:
    for folder in ("startup", "local", "job-1"):
        (tmp_path / folder).mkdir()
    fl_ctx = FLContext()
    workspace = Workspace(root_dir=str(tmp_path))
    Path(workspace.get_run_dir("job-1")).mkdir(exist_ok=True)
    fl_ctx.set_prop(ReservedKey.ENGINE, Engine(workspace), private=True, sticky=False)
    fl_ctx.set_prop(ReservedKey.RUN_NUM, "job-1", private=False, sticky=False)
    begin(fl_ctx, ROUND)
    return fl_ctx


def begin(fl_ctx: FLContext, number: int) -> None:
    fl_ctx.set_prop(AppConstants.CURRENT_ROUND, number, private=True, sticky=False)


def record_of(fl_ctx: FLContext) -> RunRecord:
    record: RunRecord = fl_ctx.get_engine().keeper.record
    return record


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
    cases: Any = 8,
    modality: Any = "CT",
    kind: str = DataKind.WEIGHT_DIFF,
    data: Arrays | None = None,
    round_number: Any = ROUND,
) -> Shareable:
    dxo = DXO(data_kind=kind, data=update(site) if data is None else data)
    for key, value in ((SLICES, weight), (CASES, cases), (MODALITY, modality)):
        if value is not None:
            dxo.set_meta_prop(key, value)
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
    "a later round": ({"round_number": ROUND + 1}, "answered round 5 in round 4"),
    "no round": ({"round_number": None}, "no site or round"),
    "no slices": ({"weight": 0}, "fedgin_slices 0, not above 0"),
    "slices nan": ({"weight": math.nan}, "fedgin_slices nan"),
    "slices inf": ({"weight": math.inf}, "fedgin_slices inf"),
    "slices beyond floats": ({"weight": 10**400}, "fedgin_slices 1000"),
    "negative slices": ({"weight": -4}, "fedgin_slices -4"),
    "a text as slices": ({"weight": "117"}, "fedgin_slices '117', no number"),
    "slices unknown": ({"weight": None}, "fedgin_slices None"),
    "a truth as slices": ({"weight": True}, "fedgin_slices True"),
    "no cases": ({"cases": 0}, "fedgin_cases 0"),
    "cases unknown": ({"cases": None}, "fedgin_cases None"),
    "another modality": ({"modality": "PET"}, "modality 'PET', neither CT nor MR"),
    "modality unknown": ({"modality": None}, "modality None"),
}


@pytest.mark.parametrize(("values", "reason"), BAD.values(), ids=BAD)
def test_a_contribution_that_breaks_a_rule_is_refused_with_the_reason(
    context: FLContext, caplog: pytest.LogCaptureFixture, values: dict[str, Any], reason: str
) -> None:
    aggregator = OrderedWeightedAggregator()
    with caplog.at_level(logging.ERROR):
        assert aggregator.accept(message("site-1", **values), context) is False
    assert re.search(f"contribution refused.*({reason})", caplog.text)
    if "no site" not in reason:
        assert re.search(reason, record_of(context).refused[ROUND]["site-1"])
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
    begin(context, ROUND + 1)
    assert aggregator.accept(message("site-1", round_number=ROUND + 1), context)
    again = data_of(aggregator.aggregate(context))
    np.testing.assert_allclose(again["bias"], update("site-1")["bias"], rtol=1e-6)


def shares(record: RunRecord, number: int = ROUND) -> list[float]:
    return [round(share, 6) for _, share in sorted(record.shares[number].items())]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [0.6, 0.3, 0.1]),
        ({"weighting": "cases"}, [0.1, 0.1, 0.8]),
        ({"weighting": "equal_per_modality"}, [0.25, 0.25, 0.5]),
        ({"max_weight_share": 0.5}, [0.5, 0.375, 0.125]),
        ({"max_weight_share": 0.2}, [1 / 3] * 3),
    ],
)
def test_the_server_decides_what_counts_and_the_record_says_how_much(
    context: FLContext, arguments: dict[str, Any], expected: list[float]
) -> None:
    aggregator = OrderedWeightedAggregator(**arguments)
    facts = {"site-1": (60, 1, "CT"), "site-2": (30, 1, "CT"), "site-3": (10, 8, "MR")}
    for site, (slices, cases, modality) in facts.items():
        sent = message(site, weight=slices, cases=cases, modality=modality)
        assert aggregator.accept(sent, context)
    found = data_of(aggregator.aggregate(context))["bias"]
    assert shares(record_of(context)) == pytest.approx(expected, abs=1e-6)
    truth = sum(share * update(site)["bias"] for site, share in zip(facts, expected, strict=True))
    np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "arguments", [{"weighting": "sizes"}, {"max_weight_share": 0}, {"max_weight_share": 1.5}]
)
def test_rules_that_make_no_sense_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        OrderedWeightedAggregator(**arguments)


def test_a_site_keeps_the_modality_of_its_first_message(
    context: FLContext, caplog: pytest.LogCaptureFixture
) -> None:
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(message(modality="MR"), context)
    aggregator.aggregate(context)
    begin(context, ROUND + 1)
    turned = message(modality="CT", round_number=ROUND + 1)
    assert aggregator.accept(turned, context) is False
    reason = "site-1 says CT, but said MR at first contact"
    assert f"contribution refused: {reason}" in caplog.text
    record = record_of(context)
    assert contribution_of(record, "site-1", ROUND + 1) == ("refused", reason)
    assert record.modality_of("site-1") == "MR"
    assert aggregator.accept(message(modality="MR", round_number=ROUND + 1), context)


def test_a_job_that_goes_on_knows_the_modalities_of_before(context: FLContext) -> None:
    assert OrderedWeightedAggregator().accept(message(modality="MR"), context)
    values = json.loads(json.dumps(record_to_values(record_of(context))))
    context.get_engine().keeper = RecordKeeper()
    context.get_engine().keeper.restore(record_from_values(values))
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(message(modality="CT"), context) is False
    assert aggregator.accept(message(modality="MR"), context)


def test_an_answer_after_the_round_is_late_and_changes_nothing(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator()
    reference = alone(context, "site-2", 2)
    assert aggregator.accept(message("site-2", weight=2), context)
    assert same_bits(data_of(aggregator.aggregate(context)), reference)
    # The round's number is still the server's while it saves the model.
    assert aggregator.accept(message("site-1"), context) is False
    begin(context, ROUND + 1)
    assert aggregator.accept(message("site-3", weight=1), context) is False
    for site in ("site-1", "site-3"):
        state, reason = contribution_of(record_of(context), site, ROUND)
        assert (state, reason) == ("late", f"{site} answered round 4 when it was over")
    assert aggregator.accept(message("site-2", weight=2, round_number=ROUND + 1), context)
    assert same_bits(data_of(aggregator.aggregate(context)), reference)


def test_a_stopped_run_averages_nothing(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(message(), context)
    stop = Signal()
    stop.trigger(True)
    context.set_prop(ReservedKey.RUN_ABORT_SIGNAL, stop, private=True, sticky=False)
    assert from_shareable(aggregator.aggregate(context)).data == {}
    assert record_of(context).shares == {}


def test_reset_forgets_the_updates(context: FLContext, tmp_path: Path) -> None:
    aggregator = OrderedWeightedAggregator(spool_above_mb=0)
    assert aggregator.accept(message(), context)
    aggregator.reset(context)
    assert list(tmp_path.rglob("spool-*")) == []
    with pytest.raises(RuntimeError, match="round 4: nothing to aggregate"):
        aggregator.aggregate(context)


def test_nothing_to_aggregate_is_an_error(context: FLContext) -> None:
    with pytest.raises(RuntimeError, match="no site contributed"):
        OrderedWeightedAggregator().aggregate(context)
