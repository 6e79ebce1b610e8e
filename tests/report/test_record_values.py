"""A run's record survives a checkpoint, and its contributions are a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgin.cli.report import report
from fedgin.federation_settings import MinSites
from fedgin.report.contributions import contribution_of, contributions_csv
from fedgin.report.quorum import never_annotated, shortage
from fedgin.report.record_values import BY_ROUND, record_from_values, record_to_values
from fedgin.report.run_record import RunRecord, SiteMetrics
from fedgin.report.run_table import render, to_json


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
        modalities={"a": "CT", "b": "MR"},
        started={0: ["a", "b"], 1: ["a", "b"]},
        refused={1: {"a": "a sent nan"}},
        late={0: {"a": "in time after all"}},
        shares={0: {"a": 0.25, "b": 0.75}, 1: {"b": 1.0}},
        norms={0: {"a": {"weights": 1.5}, "b": {"weights": 0.5, "controls": 2.0}}},
        aggregation="mean",
        privacy={0: {"a": [1.25, 1e-5]}, 1: {"a": [2.5, 1e-5]}},
    )


def test_it_comes_back_by_way_of_json() -> None:
    values = json.loads(json.dumps(record_to_values(a_record())))
    assert record_from_values(values) == a_record()


def test_a_report_of_every_field_can_be_drawn_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(to_json(a_record())))
    report(file)
    assert render(a_record()).strip() in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


def test_every_round_lists_every_site() -> None:
    assert contributions_csv(a_record()).splitlines() == [
        "round,site,modality,contribution,weight,reason,epsilon,delta,not_annotated",
        "1,a,CT,accepted,0.250000,,1.25,1e-05,",
        "1,b,MR,accepted,0.750000,,,,",
        "2,a,CT,refused,,a sent nan,2.5,1e-05,",
        "2,b,MR,accepted,1.000000,,,,",
    ]


def test_missing_late_and_refused_are_told_apart() -> None:
    record = a_record()
    record.contributions[1] = []
    record.late[1] = {"b": "back in round 3"}
    assert contribution_of(record, "a", 1) == ("refused", "a sent nan")
    assert contribution_of(record, "b", 1) == ("late", "back in round 3")
    record.refused, record.late = {}, {}
    assert contribution_of(record, "a", 1) == ("missing", "took the task and did not answer")
    record.started[1].remove("a")
    assert contribution_of(record, "a", 1) == ("missing", "did not take the task")


def test_a_record_of_an_older_checkpoint_is_read() -> None:
    values = json.loads(json.dumps(record_to_values(a_record())))
    for name in ("modalities", "aggregation", *BY_ROUND):
        del values[name]
    record = record_from_values(values)
    assert record.modality_of("a") == "CT"  # from its reports
    assert contributions_csv(record).splitlines()[3] == "2,a,CT,missing,,,,,"


@pytest.mark.parametrize(
    ("given", "minimum", "reason"),
    [
        (["a", "b"], MinSites(), None),
        (["b"], MinSites(), "round 2: 0 of 1 CT sites"),
        ([], MinSites(ct=2, mr=1), "round 2: 0 of 2 CT sites, 0 of 1 MR sites"),
        (["b"], MinSites(ct=0, mr=1), None),
        ([], MinSites(ct=0, mr=0), None),
    ],
)
def test_a_round_needs_enough_sites_of_each_modality(
    given: list[str], minimum: MinSites, reason: str | None
) -> None:
    record = a_record()
    record.contributions[1] = given
    assert shortage(record, 1, minimum) == reason


def test_a_run_stops_only_once_all_sites_lack_a_class() -> None:
    record = a_record()
    per_class = {"liver": 0.5, "spleen": None, "pancreas": None}
    part = {"dice": 0.5, "per_class": per_class, "cases": 1}
    record.validation = {0: {"a": SiteMetrics("CT", part, not_annotated=("spleen", "pancreas"))}}
    record.final, record.not_annotated = {}, {"a": ["spleen", "pancreas"]}
    assert never_annotated(record) is None  # site b may have them
    record.not_annotated["b"] = ["liver", "pancreas"]
    reason = never_annotated(record)
    assert reason is not None
    assert reason.startswith("no site annotates pancreas; ")
    assert 'classes=["liver","spleen"]' in reason
    record.not_annotated["b"] = []
    assert never_annotated(record) is None
    assert never_annotated(a_record()) is None


def test_what_sites_do_not_annotate_survives_a_checkpoint() -> None:
    record = a_record()
    record.not_annotated = {"a": ["spleen"], "b": []}
    part = {"dice": 0.5, "per_class": {"liver": 0.5, "spleen": None}, "cases": 1}
    record.validation = {0: {"a": SiteMetrics("CT", part, not_annotated=("spleen",))}}
    again = record_from_values(json.loads(json.dumps(record_to_values(record))))
    assert again.not_annotated == record.not_annotated
    assert again.validation == record.validation
    assert contributions_csv(record).splitlines()[1].endswith(",spleen")
