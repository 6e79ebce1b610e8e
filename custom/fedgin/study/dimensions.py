"""Slices against patches: the same sites, grid and budget, trained in 2D and in 3D."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.config import parse
from fedgin.data.prepare import PreparedSite
from fedgin.data.prepare_sites import prepare_sites
from fedgin.engine.pooled import PooledTraining
from fedgin.engine.step_probe import probe_steps
from fedgin.geometry_settings import lay_over
from fedgin.settings import ResolvedSettings, TrainingSettings
from fedgin.sites.lookup import Site
from fedgin.tasks import get_task

PROBED_STEPS = 10


@dataclass(frozen=True)
class DimensionResult:
    """One model on one site's test patients.

    Attributes:
        dims: 2 or 3.
        seed: Seed of the training.
        site: Site whose test patients were measured.
        modality: Its modality.
        dice: By class, the mean over patients, last model.
        steps: Optimizer steps of the training.
        seconds: Wall time of these steps.
    """

    dims: int
    seed: int
    site: str
    modality: str
    dice: dict[str, float]
    steps: int
    seconds: float


def dimension_settings(base: TrainingSettings, dims: int) -> ResolvedSettings:
    """Returns settings for 2D or 3D on one grid, so that both are measured on the same voxels.

    The grid is the base's spacing or, where it has none, the task's for 3D. Patch, channels and
    batch size are the base's for its own number of dimensions, and the task's for the other.

    Args:
        base: Settings of one of both.
        dims: 2 or 3.

    Raises:
        ConfigError: They do not fit each other.
    """
    spacing = base.spacing or get_task(base.task).geometry[3].spacing
    values = lay_over(base.model_dump(mode="json"), {"spatial_dims": dims, "spacing": spacing})
    return parse(TrainingSettings, values, where=f"settings for {dims}D").resolve()


def compare_dimensions(
    sites: Sequence[Site],
    *,
    base: TrainingSettings,
    dims: Sequence[int],
    seeds: Sequence[int],
    rounds: int,
    folder: Path,
    minutes: float | None = None,
    on_run: Callable[[str], None] = lambda text: None,
) -> Iterator[DimensionResult]:
    """Trains on all sites pooled, once per number of dimensions and seed; measures on each site.

    The last model is measured, so that no validation patient has a say.

    Args:
        sites: The sites.
        base: Settings of all runs; see `dimension_settings`.
        dims: 2, 3 or both.
        seeds: Seeds of the runs.
        rounds: Rounds of each run.
        folder: Folder for the runs.
        minutes: Wall time that the steps of each run shall take, by that of a few steps before;
            None gives all runs the settings' number of optimizer steps.
        on_run: Told what is about to run.

    Raises:
        ConfigError: The settings do not fit each other, or a site's file does not fit them.
        DataError: Volumes break rules.
    """
    settings = {d: dimension_settings(base, d) for d in dims}
    prepared = prepare_sites(sites, settings[dims[0]])
    for seed in seeds:
        for d in dims:
            name = f"{d}d-{seed}"
            # One validation, after the last round: it has no say here.
            update = {"seed": seed, "validate_every": rounds}
            chosen = settings[d].training.model_copy(update=update).resolve()
            if minutes is not None:
                chosen = _within(chosen, prepared, rounds=rounds, seconds=60 * minutes)
            training = PooledTraining(sites=prepared, settings=chosen)
            steps = rounds * len(prepared) * chosen.training.steps_per_round
            on_run(f"{name}: {steps} steps")
            run = training.run(rounds=rounds, folder=folder / name)
            for data in prepared:
                evaluation = training.evaluate(run.last, data.splits["test"])
                yield DimensionResult(
                    dims=d,
                    seed=seed,
                    site=data.site.name,
                    modality=data.site.config.modality,
                    dice=evaluation.per_class(),
                    steps=steps,
                    seconds=sum(run.seconds),
                )


def _within(
    settings: ResolvedSettings, sites: Sequence[PreparedSite], *, rounds: int, seconds: float
) -> ResolvedSettings:
    """Sets the steps of a round so that all rounds together take about so many seconds."""
    trial = PooledTraining(sites=sites, settings=settings)
    step = probe_steps(trial.trainer, repeats=PROBED_STEPS).seconds
    steps = max(1, round(seconds / step / rounds / len(sites)))
    return settings.training.model_copy(update={"steps_per_round": steps}).resolve()
