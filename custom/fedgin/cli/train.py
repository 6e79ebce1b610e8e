"""`fedgin train`: train without a federation, on one site or on several sites pooled."""

from __future__ import annotations

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


def train(
    sites: SitesOption = "site-1",
    task: TaskOption = "heart",
    rounds: Annotated[
        int, typer.Option(min=1, help="rounds; a round is steps_per_round steps")
    ] = 5,
    out: Annotated[Path, typer.Option(help="folder for models and history")] = Path("runs/train"),
    job: JobOption = None,
    overrides: SetOption = None,
) -> None:
    """Train one site alone, or several sites' volumes pooled (centralized)."""
    from fedgin.threads import set_threads

    settings = settings_from(task, overrides, job)
    chosen = sites_from(sites)
    set_threads(chosen[0].config.threads)
    from fedgin.data.prepare import prepare_site
    from fedgin.engine.pooled import BEST_MODEL, LAST_MODEL, PooledTraining

    prepared = [prepare_site(site, settings) for site in chosen]
    training = PooledTraining(sites=prepared, settings=settings)
    console = Console()

    def show(number: int, loss: float, score: float) -> None:
        console.print(
            f"round {number} of {rounds}: loss {loss:.3f}, validation Dice {score:.3f}",
            highlight=False,
        )

    run = training.run(rounds=rounds, folder=out, on_round=show)
    names = settings.task.class_names
    table = Table(
        "model", "site", "modality", "test patients", "Dice", *(names if len(names) > 1 else ())
    )
    for model, weights in (("best", run.best), ("last", run.last)):
        for site in prepared:
            evaluation = training.evaluate(weights, site.splits["test"])
            per_class = evaluation.per_class() if len(names) > 1 else {}
            table.add_row(
                f"{model} (round {run.best_round if model == 'best' else rounds})",
                site.site.name,
                site.site.config.modality,
                str(len(evaluation.cases)),
                f"{evaluation.mean():.3f}",
                *(f"{value:.3f}" for value in per_class.values()),
            )
    console.print(table)
    console.print(f"models: {out / BEST_MODEL}, {out / LAST_MODEL}", highlight=False)
