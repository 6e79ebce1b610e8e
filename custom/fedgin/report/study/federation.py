"""The page of a real federation: what its server holds, and no number that it cannot have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from fedgin.files import SHARED, write_atomically
from fedgin.metrics.summary import EDGES, merge
from fedgin.report.run_table import NOT_ANNOTATED
from fedgin.report.study.cells import Table, number
from fedgin.report.study.labels import METRIC_LABELS, class_label
from fedgin.report.study.page import render

# By class, metric and site the site's summary.
Summaries = Mapping[str, Mapping[str, Mapping[str, Any]]]


def render_federation(run: Mapping[str, Any]) -> str:
    """Renders the page of a federated run.

    Args:
        run: The run's report as `fedgin.report.run_table.to_json` makes it. A site's test part may
            hold `summary`, by class and metric as `fedgin.metrics.summary.Summary`.
    """
    found = {model: _summaries(reports) for model, reports in run["final"].items()}
    lacking = run.get("not_annotated", {})
    return render(
        "federation.html.j2",
        title=run["title"][:1].upper() + run["title"][1:],
        planned=run["planned_rounds"],
        finished=run["finished_rounds"],
        sites=run["sites"],
        failures=run["failures"],
        # Reports of before these were noted are drawn again too.
        aggregation=run.get("aggregation", ""),
        refusals=run.get("refusals", []),
        dice=_dice_table(run),
        receipts=_receipt_table(run),
        privacy=_privacy_table(run),
        summaries=[
            _summary_table(model, class_name, by_metric, lacking=lacking)
            for model, classes in found.items()
            for class_name, by_metric in classes.items()
        ],
        histograms=[
            _histogram_table(model, class_name, metric, _annotating(by_site, class_name, lacking))
            for model, classes in found.items()
            for class_name, by_metric in classes.items()
            for metric, by_site in by_metric.items()
        ],
    )


def write_federation_report(run: Mapping[str, Any], path: Path) -> None:
    """Writes the page of a federated run, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    write_atomically(path, render_federation(run).encode("utf-8"), mode=SHARED)


def _summaries(reports: Mapping[str, Any]) -> Summaries:
    """Turns reports by site into summaries by class, metric and site."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for site, report in reports.items():
        for class_name, metrics in ((report.get("test") or {}).get("summary") or {}).items():
            for metric, summary in metrics.items():
                if metric in EDGES:
                    found.setdefault(class_name, {}).setdefault(metric, {})[site] = summary
    return found


def _dice_table(run: Mapping[str, Any]) -> Table:
    rows = []
    for model, reports in run["final"].items():
        for site in run["sites"]:
            test = reports.get(site, {}).get("test") or {}
            rows.append(
                (
                    f"{model} model",
                    site,
                    reports.get(site, {}).get("modality", "?"),
                    str(test.get("cases", 0)) if site in reports else "missing",
                    number(test.get("dice")),
                )
            )
    return Table(
        caption="Mean Dice over each site's test patients",
        header=("model", "site", "modality", "patients", "Dice"),
        rows=tuple(rows),
        labels=3,
    )


def _privacy_table(run: Mapping[str, Any]) -> Table | None:
    """Makes the table of what the sites say that their updates have cost, in their last round."""
    losses: dict[str, Any] = {}
    for _, by_site in sorted(run.get("privacy", {}).items(), key=lambda item: int(item[0])):
        losses.update(by_site)
    if not losses:
        return None
    return Table(
        caption="Differential privacy of the updates, as each site accounts for it",
        header=("site", "epsilon", "delta"),
        rows=tuple(
            (site, f"{epsilon:.3f}", f"{delta:g}")
            for site, (epsilon, delta) in sorted(losses.items())
        ),
    )


def _receipt_table(run: Mapping[str, Any]) -> Table | None:
    """Shows who holds the released model; None where none was released."""
    if (released := run.get("released")) is None:
        return None
    return Table(
        caption=f"Released model {released[:16]}: what the sites answered",
        header=("site", "answer"),
        rows=tuple((site, _receipt(run["receipts"].get(site), released)) for site in run["sites"]),
    )


def _receipt(stored: str | None, released: str) -> str:
    if stored is None:
        return "none"
    return "holds it" if stored == released else f"stored another file, hash {stored[:16]}"


def _annotating(
    by_site: Mapping[str, Any], class_name: str, lacking: Mapping[str, Any]
) -> dict[str, Any]:
    """Leaves out the sites that do not annotate a class, unless none does."""
    kept = {site: part for site, part in by_site.items() if class_name not in lacking.get(site, ())}
    return kept or dict(by_site)


def _summary_table(
    model: str, class_name: str, by_metric: Mapping[str, Any], *, lacking: Mapping[str, Any]
) -> Table:
    rows = []
    for metric, by_site in by_metric.items():
        digits = 1 if metric == "hd95" else 3
        for site, summary in {**by_site, "all sites": merge(by_site.values())}.items():
            unknown = class_name in lacking.get(site, ())
            rows.append(
                (
                    METRIC_LABELS[metric],
                    site,
                    NOT_ANNOTATED if unknown else str(summary["count"]),
                    _rounded(summary["mean"], digits),
                    _rounded(summary["sd"], digits),
                )
            )
    return Table(
        caption=f"{class_label(class_name)}, {model} model: test patients that have a value",
        header=("metric", "site", "count", "mean", "sd"),
        rows=tuple(rows),
        labels=2,
    )


def _histogram_table(model: str, class_name: str, metric: str, by_site: Mapping[str, Any]) -> Table:
    edges = EDGES[metric]
    bins = [
        f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"
        for low, high in pairwise(edges)
    ]
    return Table(
        caption=f"{METRIC_LABELS[metric]}, {class_label(class_name)}, {model} model: number of "
        "patients; a bin holds its lower bound and not its upper one, but for the last",
        header=("site", *bins),
        rows=tuple(
            (site, *(str(count) for count in summary["histogram"]))
            for site, summary in {**by_site, "all sites": merge(by_site.values())}.items()
        ),
    )


def _rounded(value: float | None, digits: int) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"
