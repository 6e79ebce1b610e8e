"""`fedgin doctor`: look at one site before its first job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedgin.cli.common import JobOption, SetOption, TaskOption, settings_from
from fedgin.doctor.request import make_subject

if TYPE_CHECKING:
    from fedgin.doctor.finding import DoctorReport

COLOURS = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


def doctor(
    site_config: Annotated[
        Path, typer.Option(help="the site's own file; hospital-a.yaml is that of hospital-a")
    ],
    kit: Annotated[
        Path | None, typer.Option(help="the site's FLARE client kit: startup/ and local/")
    ] = None,
    task: TaskOption = "heart",
    job: JobOption = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
    time_server: Annotated[
        str | None, typer.Option(help="HOST[:PORT] to compare this computer's clock with")
    ] = None,
) -> None:
    """Check a site before its first job; no patient is named. Exits with 1 if something failed."""
    subject = make_subject(
        site_config,
        settings=settings_from(task, overrides, job),
        kit=kit,
        job=job,
        time_server=time_server,
    )
    from fedgin.threads import set_threads

    set_threads(subject.site.config.threads if subject.site else 1)
    from fedgin.doctor.runner import examine

    console = Console(stderr=True)
    with console.status("") as status:
        report = examine(subject, on_check=lambda name: status.update(f"looking at {name}"))
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(1)


def _show(report: DoctorReport) -> None:
    table = Table("check", "name", "status", "found", "mend")
    for finding in report.findings:
        # As plain text: a bracket in what was found is no mark-up.
        cells = [finding.check, finding.name, finding.status, finding.found, finding.mend]
        styles = ["", "", COLOURS[finding.status], "", ""]
        table.add_row(*(Text(cell, style) for cell, style in zip(cells, styles, strict=True)))
    console = Console()
    console.print(table)
    counted = ", ".join(f"{count} {status}" for status, count in report.counts.items())
    console.print(f"{report.site}, task {report.task}: {counted}", markup=False, highlight=False)
