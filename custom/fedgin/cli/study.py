"""`fedgin study`: the augmentations and the regimes side by side, and a report."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fedgin.cli.common import SetOption
from fedgin.errors import ConfigError, Problem
from fedgin.outputs import check_output_folder
from fedgin.overrides import parse_overrides

if TYPE_CHECKING:
    from fedgin.study.definition import StudyDefinition

WORKERS_ON_A_GPU = 2
MOST_WORKERS = 8


def study(
    out: Annotated[Path, typer.Option(help="folder of the study; a later start goes on in it")],
    task: Annotated[str, typer.Option(help="heart or abdomen")] = "heart",
    quick: Annotated[bool, typer.Option("--quick", help="a small grid for a first look")] = False,
    grid: Annotated[
        str | None, typer.Option(help="default, or full: every augmentation everywhere")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="number of seeds")] = 1,
    augmentations: Annotated[
        str, typer.Option(help="comma-separated; in every regime, instead of the grid's")
    ] = "",
    regimes: Annotated[str, typer.Option(help="comma-separated; instead of the grid's")] = "",
    sites: Annotated[
        str, typer.Option(help="training sites: comma-separated names or YAML files")
    ] = "",
    unseen: Annotated[
        str | None, typer.Option(help="hospitals that only test: names or YAML files")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="rounds of each run")] = None,
    algorithm: Annotated[str, typer.Option(help="fedavg, fedprox, fedbn or scaffold")] = "fedavg",
    job: Annotated[Path | None, typer.Option(help="job folder; by default the task's")] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="models trained at the same time; 0: as the machine allows")
    ] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of a training process")] = 1,
    overrides: SetOption = None,
) -> None:
    """Train and test a grid of augmentations and regimes; write report.html and its numbers."""
    start = time.perf_counter()
    from fedgin.threads import set_threads

    set_threads(threads)
    logging.getLogger("fedgin").setLevel(logging.WARNING)  # the progress lines say it all
    from fedgin.cli.study_progress import StudyProgress
    from fedgin.study.build import StudyRequest, define_study
    from fedgin.study.runner import StudyRunner
    from fedgin.study.store import check_folder, locked, open_folder

    definition = define_study(
        StudyRequest(
            task=task,
            folder=out,
            grid=_grid(quick=quick, grid=grid),
            augmentations=_names(augmentations),
            regimes=_names(regimes),
            seeds=seeds,
            training=_names(sites),
            unseen=None if unseen is None else _names(unseen),
            overrides=parse_overrides(overrides or []),
            rounds=rounds,
            algorithm=algorithm,
            job=job,
            threads=threads,
        )
    )
    command = " ".join(["fedgin", *map(shlex.quote, sys.argv[1:])])
    definition = replace(definition, command=command)
    console = Console()
    check_folder(definition)  # what is refused stays as it is, without so much as a lock
    check_output_folder(out, where=f"--out {out}")
    for note in definition.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    # Whoever ends this process ends the sites' processes of a running federation with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with locked(definition.folder):
        open_folder(definition)
        with StudyProgress(definition, console) as progress:
            prepared = progress.prepare()
            runner = StudyRunner(
                definition, workers=workers or _usual_workers(definition), on_event=progress.show
            )
            try:
                outcomes = runner.run()
            except KeyboardInterrupt:
                progress.close()
                console.print("interrupted; the same command goes on where this stopped")
                raise typer.Exit(130) from None
        from fedgin.study.finish import finish_study
        from fedgin.study.gather import all_outcomes, gather

        whole = gather(definition)
        report = finish_study(
            whole,
            outcomes=all_outcomes(whole, outcomes),
            sites=prepared,
            command=command,
            seconds=time.perf_counter() - start,
        )
    failed = [name for name, outcome in outcomes.items() if outcome.status == "failed"]
    minutes = (time.perf_counter() - start) / 60
    console.print(
        f"{len(outcomes) - len(failed)} of {len(outcomes)} runs, {minutes:.1f} minutes",
        highlight=False,
    )
    if earlier := len(whole.runs) - len(definition.runs):
        console.print(
            f"the report holds {earlier} more runs that earlier starts made in this folder",
            highlight=False,
        )
    for name in failed:
        console.print(f"FAILED {name}: {outcomes[name].error}", highlight=False, markup=False)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _grid(*, quick: bool, grid: str | None) -> str:
    if quick and grid not in (None, "quick"):
        raise ConfigError(
            Problem(
                "--quick",
                "it is a grid of its own",
                f"--grid {grid} beside it",
                "leave one of them out",
            )
        )
    return "quick" if quick else grid or "default"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _usual_workers(definition: StudyDefinition) -> int:
    """One process per processor, but not more than memory bears; two share a GPU."""
    from fedgin.engine.device import choose_device

    if choose_device(definition.training_sites[0].config.device).type == "cuda":
        return WORKERS_ON_A_GPU
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    return min(processors or 1, MOST_WORKERS)
