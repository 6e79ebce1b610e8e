"""The report as tables for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedgin.check.overview import grid_words, structure_rows
from fedgin.check.report import CheckReport, FindingEntry

COLOURS = {"error": "bold red", "warning": "yellow"}
SHOWN_CASES = 4
STRUCTURE_HEADER = ("structure", "cases", "least ml", "median ml", "largest ml")


def show_report(report: CheckReport, console: Console) -> None:
    """Prints structures and findings."""
    structures = Table(*STRUCTURE_HEADER)
    for row in structure_rows(report):
        structures.add_row(*(Text(cell) for cell in row))
    if report.cases:
        console.print(structures)
    if report.findings:
        table = Table("level", "rule", "case", "found", "mend")
        for finding in report.findings:
            # As plain text: a bracket in what was found is no mark-up.
            cells = [finding.level, finding.rule, case_words(finding), finding.found, finding.mend]
            styles = [COLOURS[finding.level], "", "", "", ""]
            # A long path is broken, never cut: it is what has to be mended.
            texts = (
                Text(cell, style, overflow="fold")
                for cell, style in zip(cells, styles, strict=True)
            )
            table.add_row(*texts)
        console.print(table)
    console.print(summary_words(report), markup=False, highlight=False, soft_wrap=True)


def case_words(finding: FindingEntry) -> str:
    """Names the cases of a finding, the first few where they are many."""
    shown = ", ".join(finding.cases[:SHOWN_CASES])
    more = len(finding.cases) - SHOWN_CASES
    return f"{shown} and {more} more" if more > 0 else shown or "all"


def summary_words(report: CheckReport) -> str:
    """Says in one line what was looked at and how it stands."""
    unread = sum(not case.readable for case in report.cases)
    cases = f"{len(report.cases)} cases" + (f", {unread} not readable" if unread else "")
    if report.excluded:
        shown = ", ".join(report.excluded[:SHOWN_CASES])
        more = len(report.excluded) - SHOWN_CASES
        cases += f", {len(report.excluded)} excluded ({shown}"
        cases += f" and {more} more)" if more > 0 else ")"
    return (
        f"{report.site} ({report.modality}), task {report.task}: {cases}; {grid_words(report)}; "
        f"{report.counts['error']} errors, {report.counts['warning']} warnings"
    )
