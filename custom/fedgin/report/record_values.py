"""A run's record as plain values, and back: what a checkpoint keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fedgin.report.run_record import RunRecord, SiteMetrics

BY_ROUND = ("started", "refused", "late", "shares", "privacy")
"""Fields by round that older checkpoints lack."""


def record_to_values(record: RunRecord) -> dict[str, Any]:
    """Turns a record into values that JSON knows."""
    return asdict(record)


def record_from_values(values: Mapping[str, Any]) -> RunRecord:
    """Builds a record from what `record_to_values` gave, perhaps by way of JSON.

    Raises:
        TypeError: A value is missing or unknown.
        ValueError: Metrics are not of the form that sites send.
    """
    content = dict(values)
    content["contributions"] = {
        int(number): list(sites) for number, sites in content["contributions"].items()
    }
    content["validation"] = {
        int(number): _metrics(reports) for number, reports in content["validation"].items()
    }
    for name in BY_ROUND:
        content[name] = {int(number): part for number, part in content.get(name, {}).items()}
    content["final"] = {name: _metrics(reports) for name, reports in content["final"].items()}
    return RunRecord(**content)


def _metrics(reports: Mapping[str, Any]) -> dict[str, SiteMetrics]:
    return {site: SiteMetrics.from_message(report) for site, report in reports.items()}
