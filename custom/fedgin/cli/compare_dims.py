"""`fedgin compare --dims 2,3`: training on slices against training on patches."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fedgin.cli.tables import print_whole
from fedgin.errors import ConfigError, Problem

if TYPE_CHECKING:
    from fedgin.settings import TrainingSettings
    from fedgin.sites.lookup import Site
    from fedgin.study.dimensions import DimensionResult

KNOWN = (2, 3)


def parse_dims(text: str) -> tuple[int, ...]:
    """Reads comma-separated numbers of dimensions.

    Raises:
        ConfigError: One is neither 2 nor 3, or stands twice.
    """
    parts = [part.strip() for part in text.split(",")]
    if any(part not in map(str, KNOWN) for part in parts) or len(set(parts)) != len(parts):
        raise ConfigError(Problem("--dims", "2, 3 or both, once each", f"'{text}'", "write 2,3"))
    return tuple(int(part) for part in parts)


def compare_dims(
    console: Console,
    sites: Sequence[Site],
    *,
    base: TrainingSettings,
    dims: Sequence[int],
    seeds: int,
    rounds: int,
    minutes: float | None,
) -> None:
    """Trains on all sites pooled in 2D and in 3D; prints Dice by class on each site's patients."""
    from fedgin.study.dimensions import compare_dimensions

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = list(
            compare_dimensions(
                sites,
                base=base,
                dims=dims,
                seeds=range(seeds),
                rounds=rounds,
                folder=Path(folder),
                minutes=minutes,
                on_run=lambda text: console.print(f"training {text}", highlight=False),
            )
        )
    print_whole(console, dims_table(results))
    equal = "optimizer steps" if minutes is None else f"wall time, {minutes:g} minutes of steps"
    console.print(
        f"equal {equal} for each model; {seeds} seeds, "
        f"{(time.perf_counter() - start) / 60:.1f} minutes in all",
        highlight=False,
    )


def dims_table(results: Sequence[DimensionResult]) -> Table:
    """Draws a row per number of dimensions and site: mean over seeds, by class and over classes."""
    import numpy as np

    names = list(results[0].dice)
    table = Table("trained in", "tested on", *names, "mean", "steps", "seconds")
    for dims, site, modality in dict.fromkeys((r.dims, r.site, r.modality) for r in results):
        rows = [r for r in results if (r.dims, r.site) == (dims, site)]
        dice = np.array([[r.dice[name] for name in names] for r in rows]).mean(axis=0)
        table.add_row(
            f"{dims}D",
            f"{site} {modality}",
            *(f"{value:.3f}" for value in dice),
            f"{np.nanmean(dice):.3f}",
            f"{np.mean([r.steps for r in rows]):.0f}",
            f"{np.mean([r.seconds for r in rows]):.0f}",
        )
    return table
