"""From what a user asks for to a study's definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedgin.augment.presets import PRESETS
from fedgin.config import nearest, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.geometry_settings import lay_over
from fedgin.jobs.export import CONFIG
from fedgin.overrides import merge
from fedgin.settings import SETTINGS_FILE, make_settings
from fedgin.study.budget import BUDGETS, SETTINGS
from fedgin.study.definition import StudyDefinition
from fedgin.study.own_settings import check_overrides
from fedgin.study.plan import ALGORITHMS, GRIDS, Grid, PlannedRun, get_grid, plan_runs
from fedgin.study.regimes import REGIMES
from fedgin.study.sites import (
    DEFAULT_TRAINING,
    DEFAULT_UNSEEN,
    checkout,
    default_sites,
    load_study_sites,
)
from fedgin.tasks import get_task

VALIDATIONS = 5
"""Points of a learning curve: the last model is measured, so that fewer are enough."""


@dataclass(frozen=True)
class StudyRequest:
    """What a user asks for.

    Attributes:
        task: Name of the task.
        folder: The study's folder.
        grid: `quick`, `default` or `full`.
        augmentations: Names that replace the grid's, in every regime; empty keeps the grid's.
        regimes: Names that the study is limited to; empty keeps the grid's.
        seeds: Number of seeds.
        training: Names or files of the training sites; empty takes the phantoms.
        unseen: The same of the hospitals that only test; None takes the phantoms where the training
            sites are these, else none.
        overrides: Training settings that differ from the job's and the budget's.
        rounds: Rounds of a run; None takes the budget's.
        algorithm: Federated algorithm.
        job: The job whose FLARE components and settings are used; None takes the task's.
        threads: CPU threads of a training process.
    """

    task: str
    folder: Path
    grid: str = "default"
    augmentations: Sequence[str] = ()
    regimes: Sequence[str] = ()
    seeds: int = 1
    training: Sequence[str] = ()
    unseen: Sequence[str] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    rounds: int | None = None
    algorithm: str = "fedavg"
    job: Path | None = None
    threads: int = 1


def define_study(request: StudyRequest) -> StudyDefinition:
    """Checks a request and spells it out.

    Raises:
        ConfigError: A name is unknown, a file is wrong, or nothing would be trained.
    """
    get_task(request.task)
    _check_names(request)
    check_overrides(request.overrides)
    grid = choose_grid(request)
    job = request.job or default_job(request.task)
    unseen = request.unseen
    if unseen is None:
        unseen = () if request.training else default_sites(DEFAULT_UNSEEN)
    training = request.training or default_sites(DEFAULT_TRAINING)
    training_sites, unseen_sites = load_study_sites(training, unseen)
    budget = BUDGETS[request.task]["quick" if request.grid == "quick" else "study"]
    values = merge(read_mapping(job / CONFIG / SETTINGS_FILE), dict(SETTINGS[request.task]))
    rounds = request.rounds or budget.rounds
    values = merge(values, {"steps_per_round": max(1, budget.steps_per_site // rounds)})
    values = lay_over(values, request.overrides)
    if values.get("schedule") != "plateau":  # which needs every round's score
        values.setdefault("validate_every", max(1, rounds // VALIDATIONS))
    base = make_settings(**values).training
    _check_task(base.task, request.task, job)
    seeds = tuple(range(base.seed, base.seed + request.seeds))
    runs = plan_runs(
        grid,
        modality_of={site.name: site.config.modality for site in training_sites},
        seeds=seeds,
        algorithm=request.algorithm,
    )
    if not runs:
        raise ConfigError(
            Problem(
                "the study",
                "at least one model must be trained",
                f"none with {len(training_sites)} training sites and regimes {', '.join(grid)}",
                "name more sites, or regimes that one site allows, such as local",
            )
        )
    definition = StudyDefinition(
        folder=request.folder.resolve(),
        job=job.resolve(),
        base=base,
        rounds=rounds,
        training_sites=training_sites,
        unseen_sites=unseen_sites,
        runs=tuple(runs),
        seeds=seeds,
        threads=request.threads,
        quick=request.grid == "quick",
        notes=_notes(grid, runs, algorithm=request.algorithm),
    )
    for run in runs:
        definition.settings(run)  # what cannot be trained is refused before anything is
    return definition


def choose_grid(request: StudyRequest) -> Grid:
    """Returns the grid that a request, whose names are known, means."""
    grid = get_grid(request.grid, task=request.task)
    regimes = request.regimes or tuple(grid)
    widest = {**GRIDS["default"], **get_grid("default", task=request.task)}
    return {
        regime: tuple(request.augmentations) or grid.get(regime, widest[regime])
        for regime in dict.fromkeys(regimes)
    }


def _check_names(request: StudyRequest) -> None:
    """Refuses an unknown grid, regime, augmentation or algorithm; names the nearest."""
    problems: list[Problem] = []
    if request.grid not in GRIDS:
        near = nearest(request.grid, GRIDS)
        problems.append(Problem("--grid", "the grid must be known", f"'{request.grid}'", near))
    for kind, names, known in (
        ("augmentation", request.augmentations, PRESETS),
        ("regime", request.regimes, REGIMES),
        ("--algorithm", (request.algorithm,), ALGORITHMS),
    ):
        problems += [
            Problem(kind, f"the {kind.strip('-')} must be known", f"'{name}'", nearest(name, known))
            for name in names
            if name not in known
        ]
    if problems:
        raise ConfigError(problems)


def _notes(grid: Grid, runs: Sequence[PlannedRun], *, algorithm: str) -> tuple[str, ...]:
    trained = {run.regime for run in runs}
    notes = [
        f"{regime}: no model, as these training sites leave nothing to train on or nothing out"
        for regime in grid
        if regime not in trained
    ]
    if algorithm != "fedavg" and not any(run.algorithm for run in runs):
        notes.append(f"algorithm {algorithm}: no regime of this command federates")
    return tuple(notes)


def default_job(task: str) -> Path:
    """Returns a task's job in the checkout that the package is imported from.

    Raises:
        ConfigError: The package is not imported from a checkout.
    """
    root = checkout()
    job = root / "jobs" / f"fed_gin_{task}" if root else None
    if job is None or not job.is_dir():
        raise ConfigError(
            Problem(
                "--job",
                "the FLARE job whose components are run must be there",
                "no checkout beside the installed package",
                f"name a job folder, such as jobs/fed_gin_{task}",
            )
        )
    return job


def _check_task(found: str, wanted: str, job: Path) -> None:
    if found != wanted:
        raise ConfigError(
            Problem(
                str(job), f"the job must be for task '{wanted}'", f"'{found}'", "name another job"
            )
        )
