"""`fedgin check`: look at every case of a site, whatever is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fedgin.cli.common import JobOption, SetOption, TaskOption, settings_from, site_from
from fedgin.errors import ConfigError, Problem
from fedgin.outputs import check_replaceable
from fedgin.words import counted

if TYPE_CHECKING:
    from fedgin.check.report import CheckReport
    from fedgin.check.site_check import CheckedSite
    from fedgin.settings import ResolvedSettings
    from fedgin.sites.lookup import Site

WIDTH = 130
"""Narrower, findings wrap to ribbons; a pipe would say 80."""
PAGE_MARK = "<title>Data check of "
"""What every page of this command has: only such a page is replaced."""
INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended."""


def check(
    site: Annotated[str, typer.Argument(help="a site's name, or the path of its YAML file")],
    task: TaskOption = "heart",
    job: JobOption = None,
    overrides: SetOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="cases read at the same time [default: the cores]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
    html: Annotated[
        Path | None, typer.Option(help="file for a page with a picture of each case")
    ] = None,
    hash_ids: Annotated[
        bool, typer.Option("--hash-ids", help="show hashes for cases and patients, and no picture")
    ] = False,
) -> None:
    """Read every case of a site once and tell what is wrong. Exits with 1 if there are errors.

    The site's structures are compared with the task's: --task, or --job with its --set
    (partial_labels=marginal lets a site lack some).
    """
    if html is not None:
        check_replaceable(html, where=f"--html {html}", mark=PAGE_MARK)
    settings = settings_from(task, overrides, job)
    from fedgin.doctor.watched import logs_kept

    if hash_ids:
        with logs_kept():  # a log names files
            report = _check(
                _nameless_site(site), settings, workers=workers, html=html, hash_ids=True
            )
    else:
        report = _check(site_from(site), settings, workers=workers, html=html, hash_ids=False)
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        from fedgin.check.table import show_report

        show_report(report, Console(width=max(WIDTH, Console().width)))
    if not report.passed:
        raise typer.Exit(1)


def _nameless_site(text: str) -> Site:
    """Reads a site's file; a refusal would quote it, and with it whoever it names."""
    try:
        return site_from(text)
    except ConfigError as error:
        raise ConfigError(
            Problem(
                "the site's file",
                "it must be there and keep its rules",
                f"{len(error.problems)} broken, not quoted because of --hash-ids",
                "see them with `fedgin doctor`, or without --hash-ids",
            )
        ) from None


def _check(
    site: Site,
    settings: ResolvedSettings,
    *,
    workers: int | None,
    html: Path | None,
    hash_ids: bool,
) -> CheckReport:
    from fedgin.check.page import write_page
    from fedgin.check.report import make_report
    from fedgin.check.voice import PlainVoice, hashed_voice

    checked = _look(site, settings, workers=workers, draws=html is not None and not hash_ids)
    voice = hashed_voice(site, settings, checked.listed) if hash_ids else PlainVoice()
    report = make_report(checked, voice)
    told = Console(stderr=True)
    if html is not None:
        write_page(report, checked.thumbnails, html)
        told.print("wrote the page" if hash_ids else f"wrote {html}", markup=False, highlight=False)
    told.print(
        f"{counted(len(checked.listed), 'case')} in {checked.seconds:.1f} s, "
        f"{checked.workers} at a time",
        highlight=False,
    )
    return report


def _look(
    site: Site, settings: ResolvedSettings, *, workers: int | None, draws: bool
) -> CheckedSite:
    from fedgin.check.site_check import check_site
    from fedgin.processes import usable_cores

    shown_on = Console(stderr=True)
    columns = (TextColumn("cases"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown_on, disable=not shown_on.is_terminal) as progress:
        bar = progress.add_task("cases", total=None)
        try:
            return check_site(
                site,
                settings,
                workers=workers or usable_cores(),
                draws=draws,
                on_start=lambda count: progress.update(bar, total=count),
                on_case=lambda: progress.advance(bar),
            )
        except KeyboardInterrupt:
            done = int(progress.tasks[bar].completed)
            shown_on.print(f"stopped after {counted(done, 'case')}", highlight=False)
            raise typer.Exit(INTERRUPTED) from None
