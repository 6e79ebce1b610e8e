"""`fedgin phantom`: phantom volumes as NIfTI files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from fedgin.cli.common import TaskOption
from fedgin.words import counted


def write_phantoms(
    out: Annotated[
        Path, typer.Argument(help="folder to write images/ and labels/ into, new or empty")
    ],
    task: TaskOption = "heart",
    modality: Annotated[str, typer.Option(help="ct or mr")] = "ct",
    protocol: Annotated[
        str,
        typer.Option(
            help="arterial, portal-venous, native; bssfp, t1, t2-fat-suppressed "
            "[default: native or bssfp]"
        ),
    ] = "",
    cases: Annotated[int, typer.Option(min=1, help="number of patients")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="seed of the anatomies")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="replace the phantoms of an earlier call")
    ] = False,
) -> None:
    """Write phantom volumes, their label maps and a dataset.json with the label names."""
    from fedgin.data.export_phantom import export_phantoms
    from fedgin.data.phantom_folder import clear_phantoms
    from fedgin.outputs import check_output_folder

    clear_phantoms(out, force=force)
    check_output_folder(out, where=f"OUT {out}")
    shown_on = Console(stderr=True)
    with Progress(console=shown_on, disable=not shown_on.is_terminal) as progress:
        names = export_phantoms(
            out,
            task=task,
            modality=modality.upper(),
            protocol=protocol or ("native" if modality.upper() == "CT" else "bssfp"),
            seed=seed,
            indices=progress.track(range(cases), description="phantoms"),
        )
    Console().print(f"{counted(len(names), 'case')} in {out}", highlight=False)
