"""The table at the end of a federated run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fedgin.report.run_record import RunRecord, SiteMetrics, dice_of

NOT_ANNOTATED = "not annotated"
IN_WORDS = ("failures", "refusals")
"""What a report says of the record beside its own values."""


def render(record: RunRecord) -> str:
    """Renders a run's record as plain text.

    The round column counts finished rounds: row 0 is the initial model, and row n is the global
    model after n rounds, measured by the sites before they train on.
    """
    failures = record.failures()
    lines = ["", f"=== {record.title}: {'FAILED' if failures else 'complete'} ==="]
    lines += [f"FAILED: {failure}" for failure in failures]
    lines += [f"Refused: {refusal}" for refusal in record.refusals()]
    if record.aggregation:
        lines.append(f"Aggregation: {record.aggregation}")
    lines += _validation_table(record)
    if record.final:
        lines += _test_table(record)
        lines += _class_table(record)
    lines += _privacy_lines(record)
    if record.released is not None:
        holders = [site for site in record.sites if record.receipts.get(site) == record.released]
        lines += [
            "",
            f"Released model {record.released[:16]} held by {', '.join(holders) or 'no site'}",
        ]
    lines += [f"{name}: {path}" for name, path in record.files.items()]
    return "\n".join(lines) + "\n"


def _privacy_lines(record: RunRecord) -> list[str]:
    losses = sorted(record.privacy_losses().items())
    lines = [f"{site}: epsilon {epsilon:.3f}, delta {delta:g}" for site, (epsilon, delta) in losses]
    return ["", "Privacy loss of the updates, as the sites say", *lines] if lines else []


def to_json(record: RunRecord) -> dict[str, Any]:
    """Turns a record into plain values, with failures and refusals in words."""
    return {**asdict(record), **{name: getattr(record, name)() for name in IN_WORDS}}


def _validation_table(record: RunRecord) -> list[str]:
    header = ["after round", "contributions", *_site_names(record), "score"]
    rows = []
    for number in sorted(set(record.validation) | {n + 1 for n in record.contributions}):
        reports = record.validation.get(number, {})
        given = record.contributions.get(number - 1)
        count = "-" if given is None else f"{len(given)} of {len(record.sites)}"
        mark = " *" if number == record.best_round else ""
        rows.append(
            [
                "0 (initial)" if number == 0 else str(number),
                count,
                *_dice_cells(record, reports, "validation"),
                _number(record.score(reports)) + mark,
            ]
        )
    title = "Validation Dice of the global model (score: mean over modalities, * chosen as best)"
    return ["", title, *_grid(header, rows)] if rows else []


def _test_table(record: RunRecord) -> list[str]:
    header = ["model", *_site_names(record, with_cases=True), "mean over modalities"]
    rows = []
    for model, reports in record.final.items():
        cells = _dice_cells(record, reports, "test")
        rows.append([model, *cells, _number(record.score(reports, "test"))])
    return ["", "Dice on test patients (never used to train or to choose)", *_grid(header, rows)]


def _class_table(record: RunRecord) -> list[str]:
    model, reports = next(iter(record.final.items()))
    classes = list(
        dict.fromkeys(c for r in reports.values() for c in (r.test or {}).get("per_class", ()))
    )
    if len(classes) < 2:
        return []
    rows = [
        [
            name,
            *(_class_cell(reports[s], name) if s in reports else "missing" for s in record.sites),
        ]
        for name in classes
    ]
    title = f"Dice on test patients by class, {model} model"
    return ["", title, *_grid(["class", *_site_names(record)], rows)]


def _class_cell(report: SiteMetrics, name: str) -> str:
    if name in report.not_annotated:
        return NOT_ANNOTATED
    return _number(dice_of(report.test, name))


def _site_names(record: RunRecord, *, with_cases: bool = False) -> list[str]:
    names = []
    for site in record.sites:
        name = f"{site} {record.modality_of(site)}"
        if with_cases:
            counts = {
                (reports[site].test or {}).get("cases", 0)
                for reports in record.final.values()
                if site in reports
            }
            name += f" ({max(counts, default=0)} patients)"
        names.append(name)
    return names


def _dice_cells(record: RunRecord, reports: dict[str, SiteMetrics], part: str) -> list[str]:
    return [
        _number(dice_of(getattr(reports[site], part))) if site in reports else "missing"
        for site in record.sites
    ]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
