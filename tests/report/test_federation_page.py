"""The page of a real federation: what the server holds, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedgin.metrics.summary import EDGES, summarise
from fedgin.report.run_record import RunRecord, SiteMetrics
from fedgin.report.run_table import to_json
from fedgin.report.study.federation import render_federation, write_federation_report

VALUES = {"site-1": [0.8, 0.9, 1.0], "site-2": [0.2, 0.6]}


def run(*, summaries: bool = True) -> dict[str, Any]:
    def test_part(values: list[float]) -> dict[str, Any]:
        mean = sum(values) / len(values)
        part = {"dice": mean, "per_class": {"heart": mean}, "cases": len(values)}
        if summaries:
            part["summary"] = {"heart": {"dice": summarise(values, edges=EDGES["dice"])}}
        return part

    return to_json(
        RunRecord(
            title="federated <heart>",
            planned_rounds=1,
            finished_rounds=1,
            sites=list(VALUES),
            contributions={0: ["site-1"]},
            final={
                "best": {
                    site: SiteMetrics("CT", None, test_part(values))
                    for site, values in VALUES.items()
                }
            },
        )
    )


def cells(text: str, first: str) -> list[list[str]]:
    """Rows of all tables that begin with a cell."""
    rows = [part.split("</tr>")[0] for part in text.split("<tr>")[1:]]
    found = [
        [cell.split(">")[-1] for cell in row.replace("</th>", "</td>").split("</td>")[:-1]]
        for row in rows
    ]
    return [row for row in found if row[0] == first]


def test_sites_and_their_sum_are_shown() -> None:
    text = render_federation(run())
    assert ["Dice", "site-1", "3", "0.900", "0.100"] in cells(text, "Dice")
    # Mean and spread of 0.8, 0.9, 1.0, 0.2, 0.6.
    assert ["Dice", "all sites", "5", "0.700", "0.316"] in cells(text, "Dice")
    (histogram,) = cells(text, "all sites")
    assert histogram[1:] == ["0", "0", "1", "0", "0", "0", "1", "0", "1", "2"]


def test_what_needs_patients_is_left_out_and_that_is_said() -> None:
    text = render_federation(run())
    assert "Those\nrows stay at the sites" in text
    for word in ("Wilcoxon", "Holm", "95 %"):
        assert word not in text


def test_failures_are_listed_and_titles_escaped() -> None:
    text = render_federation(run())
    assert "round 1: no contribution from site-2" in text
    assert "<heart>" not in text


def test_sites_that_send_no_summary_are_shown_by_their_means() -> None:
    text = render_federation(run(summaries=False))
    assert ["best model", "site-2", "CT", "2", "0.400"] in cells(text, "best model")
    assert "No site sent a histogram." in text


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_federation_report(run(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")
    with pytest.raises(OSError, match="nowhere"):
        write_federation_report(run(), tmp_path / "nowhere" / "report.html")


def test_the_page_shows_who_holds_the_released_model() -> None:
    content = run()
    assert "Released model" not in render_federation(content)
    held = {**content, "released": "a" * 64, "receipts": {"site-1": "a" * 64}}
    text = render_federation(held)
    assert ["site-1", "holds it"] in cells(text, "site-1")
    assert ["site-2", "none"] in cells(text, "site-2")


def test_the_page_shows_aggregation_and_refusals() -> None:
    assert "<h2>Aggregation" not in render_federation(run())  # a report of before it was noted
    content = {**run(), "aggregation": "the median", "refusals": ["round 2: <b>nan"]}
    text = render_federation(content)
    assert "<p>the median.</p>" in text
    assert "<li>round 2: &lt;b&gt;nan</li>" in text


def test_the_sites_last_loss_of_privacy_is_shown() -> None:
    content = run()
    assert "Differential privacy" not in render_federation(content)
    content["privacy"] = {2: {"site-1": [1.0, 1e-5]}, 10: {"site-1": [2.5, 1e-5]}}
    content["privacy"][1] = {"site-2": [0.5, 1e-6]}
    text = render_federation(content)
    assert ["site-1", "2.500", "1e-05"] in cells(text, "site-1")
    assert ["site-2", "0.500", "1e-06"] in cells(text, "site-2")


def test_a_site_that_does_not_annotate_a_class_is_shown_as_such() -> None:
    content = run()
    content["not_annotated"] = {"site-1": [], "site-2": ["heart"]}
    none = summarise([], edges=EDGES["dice"])
    content["final"]["best"]["site-2"]["test"]["summary"]["heart"]["dice"] = none
    text = render_federation(content)
    assert ["Dice", "site-2", "not annotated", "\N{EN DASH}", "\N{EN DASH}"] in cells(text, "Dice")
    assert not cells(text, "site-2")  # no row of zeros among the histograms
