"""A study's tables, computed from its rows and its record, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.study.arms import Measurements
from fedgin.study.comparisons import gain_table, rival_table
from fedgin.study.descriptions import count_table, mean_table, not_annotated, seed_table
from fedgin.study.directions import with_tests
from fedgin.study.hypotheses import judge
from fedgin.study.matrix import matrix_table
from fedgin.study.missing import unfinished_runs
from fedgin.study.ratios import ratio_table
from fedgin.study.rows import Row


def summarize(rows: Sequence[Row], record: Mapping[str, Any]) -> dict[str, Any]:
    """Computes every table of a study's report.

    Args:
        rows: The study's rows; those of runs that have not ended are simply missing.
        record: The study's record as plain values: `task`, `classes`, `seeds`, `sites` and `runs`
            are read.

    Returns:
        Tables as lists of entries. Intervals are 95 % bootstrap intervals over patients and None
        for one patient; what could not be computed is None, never nan.

    Raises:
        ConfigError: The rows name a site that the record does not list.
    """
    measurements = Measurements(rows, record)
    classes = list(record["classes"])
    runs = record.get("runs", [])
    rivals = rival_table(measurements)
    summary: dict[str, Any] = {
        "task": record["task"],
        "classes": classes,
        # Seeds that were measured: planned ones prove nothing yet.
        "seeds": sorted({row.seed for row in rows}),
        "matrix": matrix_table(measurements, classes),
        "means": mean_table(measurements),
        "gains": with_tests(gain_table(measurements, classes), rivals),
        "rivals": rivals,
        "ratios": ratio_table(measurements, classes),
        "counts": count_table(measurements),
        "per_seed": seed_table(measurements),
        "not_annotated": not_annotated(measurements),
        "failures": [dict(run) for run in runs if run["status"] == "failed"],
        "pending": [run["id"] for run in runs if run["status"] == "pending"],
        "unfinished": unfinished_runs(runs),
    }
    summary["hypotheses"] = judge(summary)
    return summary
