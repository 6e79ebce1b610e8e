"""What the server's record keeps of sites that contradict themselves or come late."""

from __future__ import annotations

from typing import Any

import pytest
from nvflare.apis.dxo import MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.app_event_type import AppEventType

from fedgin.errors import ConfigError
from fedgin.flare.record import LONGEST_REASON, RecordKeeper, find_record
from fedgin.report.contributions import contribution_of

from .test_aggregator import ROUND, context, message

assert context  # a fixture

PART = {"dice": 0.5, "per_class": {"heart": 0.5}, "cases": 1}


def keeper_of(fl_ctx: FLContext) -> RecordKeeper:
    keeper: RecordKeeper = fl_ctx.get_engine().keeper
    return keeper


def fire(keeper: RecordKeeper, event: str, fl_ctx: FLContext, **values: Any) -> None:
    for key, value in values.items():
        fl_ctx.set_prop(key, value, private=True, sticky=False)
    keeper.handle_event(event, fl_ctx)


def take_task(fl_ctx: FLContext, site: str, number: int) -> None:
    """What FLARE fires when a site asks for a round's task and gets it."""
    peer = FLContext()
    peer.set_prop(ReservedKey.IDENTITY_NAME, site, private=False, sticky=False)
    fl_ctx.set_peer_context(peer)
    task = Shareable()
    task.set_header(AppConstants.CURRENT_ROUND, number)
    fl_ctx.set_prop(AppConstants.TRAIN_SHAREABLE, task, private=True, sticky=False)
    keeper_of(fl_ctx).handle_event(AppEventType.BEFORE_TRAIN_TASK, fl_ctx)


def test_metrics_of_another_modality_than_the_updates_are_not_taken(context: FLContext) -> None:
    keeper = keeper_of(context)
    keeper.pin_modality("site-1", "CT")
    result = message()
    dxo = from_shareable(result)
    dxo.set_meta_prop(MetaKey.INITIAL_METRICS, {"modality": "MR", "validation": PART})
    dxo.update_shareable(result)
    accepted = {AppConstants.AGGREGATION_ACCEPTED: True, AppConstants.TRAINING_RESULT: result}
    fire(keeper, AppEventType.AFTER_CONTRIBUTION_ACCEPT, context, **accepted)
    assert keeper.record.contributions == {ROUND: ["site-1"]}
    assert keeper.record.validation.get(ROUND, {}) == {}
    (problem,) = keeper.record.problems
    assert "site-1 says MR, but said CT at first contact" in problem


def test_a_slow_site_is_told_from_a_lost_one_when_it_is_back(context: FLContext) -> None:
    for site in ("slow", "lost"):
        take_task(context, site, 0)
    take_task(context, "slow", 0)  # again, as after a broken connection
    record = keeper_of(context).record
    missing = ("missing", "took the task and did not answer")
    assert contribution_of(record, "slow", 0) == contribution_of(record, "lost", 0) == missing
    take_task(context, "slow", 2)
    words = "round 1 was over before it answered; back in round 3"
    assert contribution_of(record, "slow", 0) == ("late", words)
    assert contribution_of(record, "lost", 0) == missing
    assert contribution_of(record, "slow", 2) == missing


def test_an_error_code_is_kept_as_the_reason(context: FLContext) -> None:
    failed = message()
    failed.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    keeper = keeper_of(context)
    event = EventType.BEFORE_PROCESS_SUBMISSION
    fire(keeper, event, context, **{FLContextKey.TASK_RESULT: failed})
    reason = "site-1 answered EXECUTION_EXCEPTION"
    assert contribution_of(keeper.record, "site-1", ROUND) == ("refused", reason)
    take_task(context, "site-1", ROUND + 1)
    assert keeper.record.late == {}


def test_a_site_cannot_fill_the_record_by_its_reason(context: FLContext) -> None:
    keeper = keeper_of(context)
    keeper.note_refused("site-1", 0, "x" * 10_000)
    assert len(keeper.record.refused[0]["site-1"]) == LONGEST_REASON


def test_the_first_reason_for_a_stop_is_the_one_that_counts(context: FLContext) -> None:
    keeper = keeper_of(context)
    for reason in ("round 2: 0 of 1 MR sites", "something that came of it"):
        fire(keeper, EventType.FATAL_SYSTEM_ERROR, context, **{FLContextKey.EVENT_DATA: reason})
    assert keeper.record.problems == ["the job was stopped: round 2: 0 of 1 MR sites"]


def test_a_component_that_is_no_record_is_refused_by_name(context: FLContext) -> None:
    assert find_record(context, "record") is keeper_of(context)
    with pytest.raises(ConfigError, match="'recorder'"):
        find_record(context, "recorder")
