"""`fedgin train`: train without a federation, on one site or on several sites pooled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fedgin.cli.common import (
    CHECK_HINT,
    JobOption,
    SetOption,
    SitesOption,
    TaskOption,
    settings_from,
    sites_from,
)
from fedgin.cli.tables import print_whole

if TYPE_CHECKING:
    from fedgin.data.prepare import PreparedSite


def train(
    sites: SitesOption = "site-1",
    task: TaskOption = "heart",
    rounds: Annotated[
        int, typer.Option(min=1, help="rounds; a round is steps_per_round steps")
    ] = 5,
    out: Annotated[Path, typer.Option(help="folder for models and history")] = Path("runs/train"),
    job: JobOption = None,
    overrides: SetOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="replace an earlier run in the folder")
    ] = False,
) -> None:
    """Train one site alone, or several sites' volumes pooled (centralized)."""
    from fedgin.threads import set_threads

    settings = settings_from(task, overrides, job)
    chosen = sites_from(sites)
    set_threads(chosen[0].config.threads)
    from fedgin.data.annotation import check_annotated
    from fedgin.data.prepare_sites import prepare_sites
    from fedgin.engine.pooled import BEST_MODEL, LAST_MODEL, PooledTraining
    from fedgin.release.from_training import release_best
    from fedgin.release.run_folder import check_run_folder, clear_run_folder
    from fedgin.report.run_table import NOT_ANNOTATED

    check_run_folder(out, where=f"--out {out}", force=force)
    prepared = prepare_sites(chosen, settings)
    check_annotated(
        settings.task.class_names, {data.site.name: data.not_annotated for data in prepared}
    )
    training = PooledTraining(sites=prepared, settings=settings)
    console = Console()
    console.print(CHECK_HINT, highlight=False, soft_wrap=True)
    lacking = _without_patients(prepared)
    _say(console, lacking)

    def show(number: int, loss: float, score: float) -> None:
        dice = "not measured" if math.isnan(score) else f"{score:.3f}"
        console.print(
            f"round {number} of {rounds}: loss {loss:.3f}, validation Dice {dice}",
            highlight=False,
        )

    clear_run_folder(out)
    run = training.run(rounds=rounds, folder=out, on_round=show)
    names = settings.task.class_names
    table = Table(
        "model", "site", "modality", "test patients", "Dice", *(names if len(names) > 1 else ())
    )
    models = {"best": run.best, "last": run.last} if run.validated else {"last": run.last}
    tested: dict[str, dict[str, Any]] = {model: {} for model in models}
    for model, weights in models.items():
        for site in prepared:
            evaluation = training.evaluate(weights, site.splits["test"])
            tested[model][site.site.name] = evaluation
            per_class = evaluation.per_class() if len(names) > 1 else {}
            table.add_row(
                f"{model} (round {run.best_round if model == 'best' else rounds})",
                site.site.name,
                site.site.config.modality,
                str(len(evaluation.cases)),
                _dice(evaluation.mean()),
                *(
                    NOT_ANNOTATED if name in site.not_annotated else _dice(value)
                    for name, value in per_class.items()
                ),
            )
    print_whole(console, table)
    written = [out / BEST_MODEL, out / LAST_MODEL] if run.validated else [out / LAST_MODEL]
    _say(console, [f"models: {', '.join(map(str, written))}"])
    released = release_best(
        out,
        run,
        sites=prepared,
        settings=settings,
        validation={
            site.site.name: training.evaluate(run.best, site.splits["validation"])
            for site in prepared
        },
        test=tested[next(iter(models))],
    )
    _say(console, [*lacking, f"{next(iter(models))} model with its card: {released}"])


def _dice(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _say(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _without_patients(prepared: Sequence[PreparedSite]) -> list[str]:
    """Says what cannot be measured for want of patients, and what follows for the release."""
    lines = []
    for split, purpose in (("validation", "choose the best model"), ("test", "measure it")):
        names = [data.site.name for data in prepared if not data.splits[split]]
        if not names:
            continue
        line = f"warning: no {split} patients to {purpose} at {', '.join(names)}"
        if len(names) == len(prepared) and split == "validation":
            line += ": the last model is released, not the best"
        elif len(names) == len(prepared):
            line += ": nothing tells how well the model segments new patients"
        lines.append(f"{line} (see 'split' in the site's file)")
    return lines
