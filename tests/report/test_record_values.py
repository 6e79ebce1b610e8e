"""A run's record survives a checkpoint, and its contributions are a table."""

from __future__ import annotations

import json

from fedgin.report.contributions import contributions_csv
from fedgin.report.record_values import record_from_values, record_to_values
from fedgin.report.run_record import RunRecord, SiteMetrics


def a_record() -> RunRecord:
    part = {"dice": 0.5, "per_class": {"heart": 0.5}, "cases": 3}
    return RunRecord(
        title="a run",
        planned_rounds=3,
        finished_rounds=2,
        sites=["a", "b"],
        contributions={0: ["a", "b"], 1: ["b"]},
        validation={0: {"a": SiteMetrics("CT", part), "b": SiteMetrics("MR", part)}},
        final={"last": {"a": SiteMetrics("CT", part, part)}},
        best_round=1,
        best_score=0.5,
        problems=["something"],
    )


def test_it_comes_back_by_way_of_json() -> None:
    values = json.loads(json.dumps(record_to_values(a_record())))
    assert record_from_values(values) == a_record()


def test_every_round_lists_every_site() -> None:
    assert contributions_csv(a_record()).splitlines() == [
        "round,site,modality,contribution",
        "1,a,CT,accepted",
        "1,b,MR,accepted",
        "2,a,CT,missing",
        "2,b,MR,accepted",
    ]
