"""`fedgin audit`: attacks on the federation, with the defences off and on, in one table."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedgin.audit.registry import choose_rows
from fedgin.audit.table import as_json, figure_text
from fedgin.files import write_atomically
from fedgin.outputs import check_replaceable

if TYPE_CHECKING:
    from fedgin.audit.row import AuditRow

WIDTH = 130
"""Narrower, the figures wrap; a pipe would say 80."""


def audit(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="a row's name; may be given several times")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="file to write the figures to, as JSON")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of all draws")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="rows at the same time, one thread each")] = 2,
) -> None:
    """Attack small phantom federations, defences off and on. Exits with 1 if a bound is broken."""
    names = choose_rows(only or ())
    if json_file is not None:
        check_replaceable(json_file, where=f"--json {json_file}", mark='"holds":')
    from fedgin.audit.runner import run_rows

    progress = Console(stderr=True)

    def tell(name: str, row: AuditRow) -> None:
        word = "holds" if row.holds else "DOES NOT HOLD"
        progress.print(f"{name}: {word}, {row.seconds:.0f} s", markup=False, highlight=False)

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="fedgin-audit-") as folder:
        rows = run_rows(names, folder=Path(folder), seed=seed, workers=workers, on_row=tell)
    seconds = time.perf_counter() - start
    if json_file is not None:
        content = as_json(rows, seed=seed, seconds=seconds)
        write_atomically(json_file, json.dumps(content, indent=2).encode())
    _show(rows, seconds=seconds, seed=seed)
    if not all(row.holds for row in rows.values()):
        raise typer.Exit(1)


def _show(rows: Mapping[str, AuditRow], *, seconds: float, seed: int) -> None:
    console = Console(width=max(WIDTH, Console().width))
    table = Table("attack", "defence off", "defence on", "bound", "holds", "s", show_lines=True)
    for row in rows.values():
        cells = [
            row.attack,
            "\n".join(figure_text(figure) for figure in row.without),
            "\n".join(figure_text(figure) for figure in row.defended),
            row.bound,
            "yes" if row.holds else "NO",
            f"{row.seconds:.0f}",
        ]
        style = "" if row.holds else "bold red"
        # As plain text: a bracket in a figure is no mark-up.
        table.add_row(*(Text(cell) for cell in cells[:4]), Text(cells[4], style), Text(cells[5]))
    console.print(table)
    broken = sum(not row.holds for row in rows.values())
    console.print(
        f"{len(rows)} rows in {seconds:.0f} s, seed {seed}, {broken} bounds broken; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        markup=False,
        highlight=False,
    )
