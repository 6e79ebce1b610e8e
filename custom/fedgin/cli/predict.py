"""`fedgin predict`: segment scans with a released model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from fedgin.data.adapters.base import LeftOut
    from fedgin.predict.report import CaseReport

_SLICES = "slices"
_NAMED = 20
"""Names that are printed of what is left out for one reason; predictions.json has all."""


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            help="released model: its folder, or model.safetensors with the card beside"
        ),
    ],
    scans: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="a NIfTI file, a folder of such, a DICOM series' folder, or a folder with such at "
            "any depth, as patient/study/series",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="folder for label maps, volumes.csv and pictures")],
    task: Annotated[
        str | None, typer.Option(help="refuse a model of another task than this")
    ] = None,
    modality: Annotated[
        Literal["CT", "MR"] | None,
        typer.Option(
            case_sensitive=False,
            help="of all scans; by default the DICOM header or the intensities tell",
        ),
    ] = None,
    flip_ensemble: Annotated[
        bool, typer.Option("--flip-ensemble", help="average over mirrored scans")
    ] = False,
    flip_axes: Annotated[
        str | None,
        typer.Option(help="axes of the ensemble, such as x,y; by default the task's own"),
    ] = None,
    largest_component: Annotated[
        bool,
        typer.Option("--largest-component", help="keep the largest piece of each structure only"),
    ] = False,
    no_shift_check: Annotated[
        bool,
        typer.Option(
            "--no-shift-check",
            help="do not compare with the scan some voxels aside: twice as fast, fewer warnings",
        ),
    ] = False,
    overlays: Annotated[
        bool, typer.Option("--overlays", help="draw three slices with outlines of each scan")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    threads: Annotated[
        int, typer.Option(min=0, help="CPU threads; 0 takes all that this process may use")
    ] = 0,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="replace the results of an earlier run in OUT: what its predictions.json lists is "
            "removed first, of other scans as well",
        ),
    ] = False,
) -> None:
    """Segment scans; label maps lie on the scans' own grids. Exits with 1 if a scan failed.

    A NIfTI file of shape (X, Y, Z, 1) gets a label map of shape (X, Y, Z) with the same affine.
    """
    from fedgin.threads import set_threads

    set_threads(threads or _usable_cores())
    from fedgin.engine.device import choose_device
    from fedgin.outputs import check_output_folder
    from fedgin.predict.case import Choices
    from fedgin.predict.flips import ensemble_axes, flips_of
    from fedgin.predict.inputs import find_inputs
    from fedgin.predict.model import load_model
    from fedgin.predict.outputs import open_folder
    from fedgin.predict.runner import Progress, predict_all

    loaded = load_model(model, device=choose_device(device), task=task)
    wanted = flip_ensemble or flip_axes is not None
    axes = ensemble_axes(loaded.settings, flip_axes) if wanted else ()
    found = find_inputs(scans)
    check_output_folder(out, where=f"OUT {out}")
    open_folder(out, found.inputs, source=scans, force=force)
    errors = Console(stderr=True)
    with Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    ) as bar:
        whole = bar.add_task("scans", total=len(found.inputs) + len(found.refused))
        slices = bar.add_task(_SLICES, total=None)
        reports = predict_all(
            loaded,
            found,
            out,
            choices=Choices(
                modality=modality,
                flips=flips_of(axes),
                largest_component=largest_component,
                shift_check=not no_shift_check,
            ),
            overlays=overlays,
            progress=Progress(
                on_case=lambda name: bar.reset(slices, description=name, total=None),
                on_slices=lambda done, total: bar.update(slices, completed=done, total=total),
                on_result=lambda report: bar.advance(whole),
            ),
        )
    _show(reports, out=out, left_out=found.left_out)
    if any(report.failed for report in reports):
        raise typer.Exit(1)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _show(reports: list[CaseReport], *, out: Path, left_out: tuple[LeftOut, ...]) -> None:
    """Prints a line per scan, then what is wrong with any, each in words."""
    from fedgin.data.adapters.left_out import left_out_lines

    console, errors = Console(), Console(stderr=True)
    done = [report for report in reports if not report.failed]
    if done:
        columns = [f"{organ.name} ml" for organ in done[0].organs]
        table = Table("scan", "modality", *columns, "flags")
        for report in done:
            volumes = [
                f"{organ.size.millilitres:.0f}" if organ.size else "" for organ in report.organs
            ]
            flags = ", ".join(dict.fromkeys(flag.code for flag in report.flags))
            cells = (report.name, report.modality, *volumes, flags or "none")
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)
    for report in done:
        for flag in report.flags:
            _line(console, f"{report.name}: {flag.code}: {flag.text}")
    for line in left_out_lines(left_out, most=_NAMED):
        _line(console, f"left out: {line}")
    for report in reports:
        for problem in report.problems:
            _line(errors, f"FAILED {report.name}: {problem}")
    failed = len(reports) - len(done)
    counts = f"{len(done)} segmented, {failed} failed"
    if left_out:
        counts += f", {len(left_out)} left out"
    _line(console, f"{counts}; results in {out}")


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
