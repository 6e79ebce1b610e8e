"""`fedgin compare`: GIN against no augmentation across modalities, or 2D against 3D."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fedgin.cli.common import (
    JobOption,
    SetOption,
    SitesOption,
    TaskOption,
    settings_from,
    sites_from,
)
from fedgin.cli.compare_dims import compare_dims, parse_dims
from fedgin.cli.tables import print_whole
from fedgin.errors import ConfigError, Problem

BASELINE, METHOD = "none", "gin"


def compare(
    sites: SitesOption = "site-1,site-2",
    task: TaskOption = "heart",
    seeds: Annotated[int, typer.Option(min=1, help="number of seeds")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="rounds of each run")] = 5,
    dims: Annotated[
        str | None,
        typer.Option(help="2,3: compare training on slices with training on 3D patches instead"),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="with --dims: equal wall time per model, not equal steps"),
    ] = None,
    job: JobOption = None,
    overrides: SetOption = None,
) -> None:
    """Train each site alone, with GIN and without; test on every site's test patients.

    With --dims all sites are pooled, and 2D is compared with 3D.
    """
    from fedgin.threads import set_threads

    chosen = sites_from(sites)
    set_threads(chosen[0].config.threads)
    base = settings_from(task, overrides, job).training
    console = Console()
    if dims is not None:
        compare_dims(
            console,
            chosen,
            base=base,
            dims=parse_dims(dims),
            seeds=seeds,
            rounds=rounds,
            minutes=minutes,
        )
        return
    if minutes is not None:
        raise ConfigError(
            Problem("--minutes", "it goes with --dims only", f"{minutes:g}", "leave it out")
        )
    from fedgin.study.cross_modality import cross_modality, mean_dice

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = list(
            cross_modality(
                chosen,
                base=base,
                augmentations=(BASELINE, METHOD),
                seeds=range(seeds),
                rounds=rounds,
                folder=Path(folder),
                on_run=lambda name: console.print(f"training {name}", highlight=False),
            )
        )
    table = Table("trained on", "tested on", BASELINE, METHOD, "gain")
    gains: dict[bool, list[float]] = {True: [], False: []}
    for train_site in chosen:
        for test_site in chosen:
            dice = {
                name: mean_dice(
                    results,
                    augmentation=name,
                    train_site=train_site.name,
                    test_site=test_site.name,
                )
                for name in (BASELINE, METHOD)
            }
            gain = dice[METHOD] - dice[BASELINE]
            gains[train_site.config.modality == test_site.config.modality].append(gain)
            table.add_row(
                f"{train_site.name} {train_site.config.modality}",
                f"{test_site.name} {test_site.config.modality}",
                f"{dice[BASELINE]:.3f}",
                f"{dice[METHOD]:.3f}",
                f"{gain:+.3f}",
            )
    print_whole(console, table)
    for label, same in (("other modality", False), ("own modality", True)):
        if gains[same]:
            mean = sum(gains[same]) / len(gains[same])
            console.print(
                f"gain of {METHOD}, {label}: mean {mean:+.3f}, least {min(gains[same]):+.3f}",
                highlight=False,
            )
    minutes = (time.perf_counter() - start) / 60
    console.print(f"{seeds} seeds, {rounds} rounds each, {minutes:.1f} minutes", highlight=False)
