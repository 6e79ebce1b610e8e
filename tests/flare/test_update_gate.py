"""The gate and robust aggregation in the aggregator, with FLARE's own messages and events."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import from_shareable
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType

from fedgin.engine.aggregation import aggregate_updates
from fedgin.federation_settings import FederationSettings, MinSites
from fedgin.flare.aggregator import OrderedWeightedAggregator
from fedgin.report.contributions import contribution_of
from fedgin.report.quorum import shortage
from fedgin.report.record_values import record_from_values, record_to_values
from fedgin.report.run_record import RunRecord

from .test_aggregator import (
    ROUND,
    Arrays,
    begin,
    context,
    data_of,
    message,
    record_of,
    same_bits,
    shares,
)

assert context  # a fixture

FIVE = tuple(f"site-{number}" for number in range(1, 6))


def sized(site: str, size: float, number: int = ROUND) -> Shareable:
    generator = np.random.default_rng(FIVE.index(site))
    direction = generator.normal(size=20).astype(np.float32)
    return message(
        site,
        weight=1 + FIVE.index(site),
        data={"w": direction / np.linalg.norm(direction) * np.float32(size)},
        round_number=number,
    )


def close(aggregator: OrderedWeightedAggregator, fl_ctx: FLContext) -> None:
    """What FLARE fires when a round has ended, before it asks for the aggregate."""
    aggregator.handle_event(AppEventType.BEFORE_AGGREGATION, fl_ctx)


def note_accepted(fl_ctx: FLContext, result: Shareable) -> None:
    for key, value in (
        (AppConstants.AGGREGATION_ACCEPTED, True),
        (AppConstants.TRAINING_RESULT, result),
    ):
        fl_ctx.set_prop(key, value, private=True, sticky=False)
    fl_ctx.get_engine().keeper.handle_event(AppEventType.AFTER_CONTRIBUTION_ACCEPT, fl_ctx)


def play(
    aggregator: OrderedWeightedAggregator,
    fl_ctx: FLContext,
    number: int,
    sizes: dict[str, float],
) -> Arrays:
    """Plays a round with updates of given norms, as FLARE does."""
    begin(fl_ctx, number)
    for site, size in sizes.items():
        result = sized(site, size, number)
        assert aggregator.accept(result, fl_ctx)
        note_accepted(fl_ctx, result)
    close(aggregator, fl_ctx)
    return data_of(aggregator.aggregate(fl_ctx))


def test_an_outlying_update_is_refused_when_the_round_closes(
    context: FLContext, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = {**dict.fromkeys(FIVE[:4], 1.0), "site-5": 10.0}
    found = play(OrderedWeightedAggregator(), context, ROUND, sizes)
    expected = play(OrderedWeightedAggregator(), context, ROUND + 1, dict.fromkeys(FIVE[:4], 1.0))
    assert same_bits(found, expected)
    record = record_of(context)
    reason = "site-5 sent too much, weights: norm 10 is above 5 times the running median 1"
    assert contribution_of(record, "site-5", ROUND) == ("refused", reason)
    assert f"contribution refused: {reason}" in caplog.text
    assert record.contributions[ROUND] == list(FIVE[:4])
    assert record.shares[ROUND].keys() == set(FIVE[:4])
    assert "site-5" not in record.training_slices
    assert record.refusals() == [f"round {ROUND + 1}: {reason}"]
    # The quorum counts what remains.
    assert shortage(record, ROUND, MinSites(ct=4, mr=0)) is None
    assert shortage(record, ROUND, MinSites(ct=5, mr=0)) is not None


def test_without_the_gate_the_outlying_update_counts(context: FLContext) -> None:
    sizes = {**dict.fromkeys(FIVE[:4], 1.0), "site-5": 10.0}
    gated = play(OrderedWeightedAggregator(), context, ROUND, sizes)
    off = OrderedWeightedAggregator(update_gate={"enabled": False})
    open_ = play(off, context, ROUND + 1, sizes)
    assert float(np.linalg.norm(open_["w"])) > 3 > float(np.linalg.norm(gated["w"]))
    assert record_of(context).contributions[ROUND + 1] == list(FIVE)


def test_the_decision_does_not_depend_on_the_order_of_arrival(context: FLContext) -> None:
    sizes = dict(zip(FIVE, (1.0, 9.0, 2.0, 1.5, 0.1), strict=True))
    orders = list(itertools.permutations(FIVE))[::13]
    results = [
        play(OrderedWeightedAggregator(), context, number, {site: sizes[site] for site in order})
        for number, order in enumerate(orders)
    ]
    assert all(same_bits(result, results[0]) for result in results)
    record = record_of(context)
    assert {frozenset(record.refused[number]) for number in range(len(orders))} == {
        frozenset({"site-2"})
    }


def test_the_gate_decides_in_a_resumed_job_as_in_the_whole_one(context: FLContext) -> None:
    two = ("site-1", "site-2")
    rounds = [dict.fromkeys(two, 1.0), dict.fromkeys(two, 0.8), {"site-1": 0.7, "site-2": 5.0}]
    whole = OrderedWeightedAggregator()
    results = [play(whole, context, number, sizes) for number, sizes in enumerate(rounds)]
    record = record_of(context)
    assert list(record.refused[2]) == ["site-2"]  # by the past: two sites have no majority
    values = json.loads(json.dumps(record_to_values(record)))
    keeper = context.get_engine().keeper
    keeper.restore(record_from_values(values))
    # The broken round begins anew, in another process, with what the checkpoint kept.
    keeper._begin(2)
    again = play(OrderedWeightedAggregator(), context, 2, rounds[2])
    assert same_bits(again, results[2])
    assert record_of(context).refused == record.refused
    keeper.restore(RunRecord())
    keeper._begin(2)
    play(OrderedWeightedAggregator(), context, 2, rounds[2])
    assert record_of(context).refused == {}  # without the past nobody could tell


def test_what_is_noted_after_the_close_does_not_bring_a_refused_site_back(
    context: FLContext,
) -> None:
    sizes = {**dict.fromkeys(FIVE[:4], 1.0), "site-5": 10.0}
    play(OrderedWeightedAggregator(), context, ROUND, sizes)
    note_accepted(context, sized("site-5", 10.0))
    assert contribution_of(record_of(context), "site-5", ROUND)[0] == "refused"


def test_an_answer_after_the_close_is_late(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(sized("site-1", 1.0), context)
    close(aggregator, context)
    assert aggregator.accept(sized("site-2", 1.0), context) is False
    assert "site-2" in record_of(context).late[ROUND]


@pytest.mark.parametrize("limit_mb", [0.0, 512.0])
@pytest.mark.parametrize(
    "values",
    [
        {"aggregation": "median"},
        {"aggregation": "trimmed_mean"},
        {"aggregation": "norm_clipping"},
        {"aggregation": "multi_krum"},
    ],
)
def test_the_aggregator_gives_what_the_arithmetic_gives(
    context: FLContext, tmp_path: Path, values: dict[str, Any], limit_mb: float
) -> None:
    sizes = dict(zip(FIVE, (1.0, 2.0, 3.0, 1.5, 0.5), strict=True))
    aggregator = OrderedWeightedAggregator(spool_above_mb=limit_mb, **values)
    found = play(aggregator, context, ROUND, sizes)
    updates = {site: from_shareable(sized(site, size)).data for site, size in sizes.items()}
    expected, shares = aggregate_updates(
        {site: (lambda arrays=arrays: arrays) for site, arrays in updates.items()},
        rules=FederationSettings(**values),
        weights={site: 1.0 + number for number, site in enumerate(FIVE)},
    )
    assert same_bits(found, expected)
    assert record_of(context).shares[ROUND] == pytest.approx(shares)
    assert record_of(context).aggregation
    assert list(tmp_path.rglob("spool-*")) == []


def test_too_few_sites_for_the_method_stop_the_run(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator(aggregation="multi_krum")
    for site in FIVE[:4]:
        assert aggregator.accept(sized(site, 1.0), context)
    with pytest.raises(RuntimeError, match="round 4: multi-Krum with byzantine 1 needs 5 sites"):
        aggregator.aggregate(context)


def test_a_refused_site_does_not_stop_the_method(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator(aggregation="multi_krum")
    bad = message("site-5", data={"w": np.full(20, np.nan, np.float32)})
    assert aggregator.accept(bad, context) is False
    for site in FIVE[:4]:
        assert aggregator.accept(sized(site, 1.0), context)
    found = data_of(aggregator.aggregate(context))["w"]
    sent = [from_shareable(sized(site, 1.0)).data["w"] for site in FIVE[:4]]
    np.testing.assert_allclose(found, np.mean(sent, axis=0), rtol=1e-6)


def test_inflated_claims_bring_nothing_where_sites_count_alike(context: FLContext) -> None:
    aggregator = OrderedWeightedAggregator(weighting="equal")
    for site, claimed in (("site-1", 10), ("site-2", 10), ("site-3", 1e12)):
        assert aggregator.accept(message(site, weight=claimed, cases=claimed), context)
    aggregator.aggregate(context)
    assert shares(record_of(context)) == pytest.approx([1 / 3] * 3, abs=1e-6)
