"""`fedgin bench`: what the package costs, beside what a user would otherwise have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedgin.cli.common import JobOption, SetOption, TaskOption, settings_from
from fedgin.errors import ConfigError, Problem
from fedgin.outputs import check_replaceable

if TYPE_CHECKING:
    from fedgin.bench.figures import Figure

DRAWN = "growth"


def bench(
    task: TaskOption = "heart",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads")] = 2,
    repeats: Annotated[int, typer.Option(min=3, help="turns; medians are shown")] = 15,
    only: Annotated[str, typer.Option(help="comma-separated benchmarks instead of all")] = "",
    out: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="PNG file for the curves of the benchmark growth")
    ] = None,
    job: JobOption = None,
    overrides: SetOption = None,
) -> None:
    """Measure speed and memory beside plain PyTorch, MONAI and FLARE; medians of turns."""
    from fedgin.threads import set_threads

    set_threads(threads)
    from fedgin.bench.options import BenchOptions
    from fedgin.bench.runner import chosen_groups, run_benchmarks
    from fedgin.engine.device import choose_device
    from fedgin.files import SHARED, write_atomically

    if out is not None:
        check_replaceable(out, where=f"--json {out}", mark='"figures":')
    names = chosen_groups([name.strip() for name in only.split(",") if name.strip()])
    if picture is not None:
        _check_picture(picture, names)
    options = BenchOptions(
        settings=settings_from(task, overrides, job),
        device=choose_device(device),
        repeats=repeats,
    )
    progress = Console(stderr=True)
    report = run_benchmarks(
        options, names, on_group=lambda name: progress.print(f"measuring {name}", highlight=False)
    )
    console = Console()
    console.print(
        f"{report.device}, {report.threads} threads, torch {report.torch}", highlight=False
    )
    console.print(_table(report.figures))
    parts = ", ".join(f"{name} {taken:.0f}" for name, taken in report.seconds.items())
    total = f"{sum(report.seconds.values()) / 60:.1f} minutes; seconds by benchmark: {parts}"
    console.print(total, highlight=False, soft_wrap=True)
    for name, reason in report.failures.items():
        console.print(f"{name} failed: {reason}", markup=False, highlight=False, soft_wrap=True)
    if out is not None:
        write_atomically(out, report.model_dump_json(indent=1).encode())
    curves = [curve for figure in report.figures for curve in figure.curves]
    if picture is not None and curves:
        from fedgin.bench.picture import draw_curves

        write_atomically(picture, draw_curves(curves), mode=SHARED)
    if report.failures:
        raise typer.Exit(1)


def _check_picture(picture: Path, names: list[str]) -> None:
    if DRAWN not in names:
        rule = f"a picture is drawn of the benchmark {DRAWN}"
        found = f"--only {','.join(names)}"
        raise ConfigError(Problem("--picture", rule, found, f"add {DRAWN}, or leave it out"))
    check_replaceable(picture, where=f"--picture {picture}", mark="PNG")


def _table(figures: tuple[Figure, ...]) -> Table:
    table = Table("figure", "fedgin", "against", "result", "mark", "reached")
    for one in figures:
        mark = "" if one.mark is None else f"{one.mark.rule} {one.mark.value:g} {one.unit}"
        reached = {None: "", True: "yes", False: "NO"}[one.reached]
        unsteady = "" if one.steady else f" (unsteady: spread {100 * (one.spread or 0):.0f} %)"
        table.add_row(
            one.name, one.ours, one.against, f"{one.value:.2f} {one.unit}{unsteady}", mark, reached
        )
    return table
