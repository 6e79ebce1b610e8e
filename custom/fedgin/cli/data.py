"""`fedgin data`: the data sets that are known, and a site's file from one of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from fedgin.cli.tables import print_whole
from fedgin.errors import ConfigError, Problem
from fedgin.words import counted

if TYPE_CHECKING:
    from fedgin.data.index.site_text import SiteContent

MOST_WORKERS = 8
_SHOWN = 5
"""Names of left-out files that are shown for each reason; the site's file has more."""


def build_app() -> typer.Typer:
    """Puts the commands together."""
    app = typer.Typer(help="Data sets of the literature as they unzip.", no_args_is_help=True)
    app.command("list")(list_data_sets)
    app.command("index")(index)
    return app


def list_data_sets() -> None:
    """Show the data sets whose layout is known."""
    from fedgin.data.adapters.registry import adapter_names, all_adapters

    width = max(map(len, adapter_names()))
    table, layouts = Table(), Table(show_lines=True)
    for one in (table, layouts):
        one.add_column("name", min_width=width)
    for column in ("data set", "modalities", "form"):
        table.add_column(column)
    layouts.add_column("layout below the root")
    for adapter in all_adapters():
        cells = (adapter.name, adapter.title, adapter.modalities, adapter.form)
        table.add_row(*(Text(cell) for cell in cells))
        layouts.add_row(adapter.name, Text("\n".join(adapter.layout)))
    console = Console()
    console.print(table)
    console.print(layouts)


def index(
    name: Annotated[str, typer.Argument(help="a name of `fedgin data list`")],
    root: Annotated[Path, typer.Argument(help="the folder that the data set was unpacked into")],
    out: Annotated[Path, typer.Option(help="the site's file to write: <site>.yaml")],
    modality: Annotated[
        str | None, typer.Option(help="CT or MR, where the data set has both or does not say")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="heart or abdomen: masks of its structures only")
    ] = None,
    patient: Annotated[
        str | None,
        typer.Option(help="regular expression: its group is the patient in a case's name"),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="STRUCTURE=VALUE[,VALUE] of label maps, instead of the data set's own names; "
            "STRUCTURE=NAME of segments, ROIs or masks that are called otherwise, once for each"
        ),
    ] = None,
    may_lack: Annotated[
        list[str] | None,
        typer.Option(help="STRUCTURE that a SEG or RTSTRUCT may lack, because a patient does"),
    ] = None,
    other: Annotated[
        list[str] | None,
        typer.Option(help="VALUE[,VALUE] that is background; rest: all without a name"),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=0, help="label files read at once; 0: one per processor, up to 8"),
    ] = 0,
    counts: Annotated[
        bool, typer.Option("--counts/--no-counts", help="read the label files and count")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> None:
    """Write a site's file for a data set; the data set itself is only read.

    Cases whose label files cannot be read are left out and named, with the reason. Exits with 1
    where there are such: the file is written all the same, over the cases that can be read.
    """
    from fedgin.data.adapters.registry import get_adapter
    from fedgin.data.index.index import (
        IndexRequest,
        check_out,
        index_data_set,
        write_site_file,
    )
    from fedgin.outputs import check_output_file
    from fedgin.tasks import TASKS, get_task

    request = IndexRequest(
        adapter=get_adapter(name),
        root=root,
        tasks=[get_task(task)] if task else list(TASKS.values()),
        modality=_modality(modality),
        patient=patient,
        given=_given(label or []),
        may_lack=tuple(dict.fromkeys(may_lack or [])),
        other=_other(other or []),
        workers=workers or os.cpu_count() or 1,
        counted=counts,
    )
    check_out(out, root, force=force)
    check_output_file(out.expanduser(), where=f"--out {out}")
    shown_on = Console(stderr=True)
    with Progress(console=shown_on, disable=not shown_on.is_terminal) as progress:
        bar = progress.add_task("label files", total=None, visible=counts)
        content = index_data_set(
            request,
            on_start=lambda total: progress.update(bar, total=total),
            on_case=lambda: progress.advance(bar),
        )
    write_site_file(out, content)
    _show(out, content)
    if content.excluded or any(one.unreadable for one in content.left_out):
        raise typer.Exit(1)


def _usual_workers() -> int:
    """One for each processor, but not more label maps in memory than eight."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, MOST_WORKERS)


def _modality(text: str | None) -> str | None:
    if text is None or text.upper() in ("CT", "MR"):
        return None if text is None else text.upper()
    raise ConfigError(Problem("--modality", "it must be CT or MR", f"'{text}'", "choose one"))


def _given(options: list[str]) -> dict[str, tuple[str, ...]]:
    given: dict[str, tuple[str, ...]] = {}
    for option in options:
        name, _, meant = option.partition("=")
        if not name or not meant:
            rule = "STRUCTURE=VALUE or STRUCTURE=VALUE,VALUE; of named files STRUCTURE=NAME"
            raise ConfigError(Problem("--label", rule, f"'{option}'", "write it so"))
        given[name] = (*given.get(name, ()), meant)
    return given


def _other(options: list[str]) -> list[int | str]:
    from fedgin.data.index.given import whole_numbers
    from fedgin.data.index.index import REST

    values: list[int | str] = []
    for option in options:
        values += [REST] if option == REST else whole_numbers(option, "--other")
    return values


def _show(out: Path, content: SiteContent) -> None:
    from fedgin.data.adapters.left_out import left_out_lines
    from fedgin.data.index.site_text import said_number
    from fedgin.sites.splits import PatientSplit

    console = Console()
    if content.counts is not None:
        columns = ("structure", f"cases of {len(content.cases)}", "ml in all", "ml on average")
        table = Table(*columns, caption="the average is over the cases that hold the structure")
        for one in content.counts.structures:
            figures = (str(one.cases), f"{one.millilitres:.1f}", f"{one.mean:.1f}")
            table.add_row(Text(one.name), *figures)
        print_whole(console, table)
        if content.counts.empty:
            _print(console, _without(content.counts.empty))
    for note in content.notes:
        _print(console, note)
    for line in left_out_lines(content.left_out, most=_SHOWN):
        _print(console, f"left out: {line}")
    for line in left_out_lines(content.excluded, most=_SHOWN):
        _print(console, f"could not be read, and left out: {line}")
    split = "by fraction"
    if isinstance(content.split, PatientSplit):
        sizes = (
            f"{len(getattr(content.split, part))} {part}"
            for part in ("train", "validation", "test")
        )
        split = f"the data set's own, {', '.join(sizes)}"
    _print(
        console,
        f"{out}: {said_number(content)}, split {split}; "
        f"{len(content.left_out) + len(content.excluded)} left out",
    )
    if number := len(content.excluded):
        _print(
            console,
            f"{number} case{'s' * (number > 1)} could not be read: the file was written without, "
            "and the exit code is 1. Mend the files and run this again, or use it as it is.",
        )
    elif number := sum(one.unreadable for one in content.left_out):
        _print(
            console,
            f"{counted(number, 'file')} could not be read, and the exit code is 1. Mend what "
            "belongs to a case and run this again, or use the site's file as it is.",
        )


def _without(cases: Sequence[str]) -> str:
    hold = "holds" if len(cases) == 1 else "hold"
    more = ", ..." if len(cases) > _SHOWN else ""
    return f"{counted(len(cases), 'case')} {hold} none of them: {', '.join(cases[:_SHOWN])}{more}"


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
