"""`fedgin bench`: GIN's share of a training step."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedgin.cli.common import JobOption, SetOption, TaskOption, settings_from


def bench(
    task: TaskOption = "heart",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads")] = 2,
    repeats: Annotated[int, typer.Option(min=3, help="repeats; medians are shown")] = 60,
    job: JobOption = None,
    overrides: SetOption = None,
) -> None:
    """Measure a training step and GIN's share of it, on random images of the task's size."""
    from fedgin.threads import set_threads

    set_threads(threads)
    from fedgin.study.step_cost import measure_step

    settings = settings_from(task, overrides, job)
    cost = measure_step(settings, device=device, repeats=repeats)
    table = Table("part", "ms", "share of the step")
    for name, seconds in cost.parts.items():
        table.add_row(name, f"{1000 * seconds:.2f}", f"{100 * seconds / cost.step:.1f} %")
    table.add_row("whole step", f"{1000 * cost.step:.2f}", "100 %")
    console = Console()
    console.print(table)
    console.print(f"{cost.description}", highlight=False)
