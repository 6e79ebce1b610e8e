"""A study's run without a federation: one site alone, or several sites' volumes pooled."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import torch

import fedgin
from fedgin.engine.patient_scores import patient_scores
from fedgin.engine.pooled import BEST_MODEL, PooledTraining
from fedgin.engine.site_work import STATE_FOLDER, none_if_nan
from fedgin.engine.torch_file import load_torch
from fedgin.engine.weights import Weights
from fedgin.errors import DataError, Problem
from fedgin.package import package_hash, package_root
from fedgin.study.definition import StudyDefinition
from fedgin.study.measure import measure, measure_unseen, prepare_training_sites, rows_of
from fedgin.study.outcome import MODEL_FILE, Outcome, save_outcome
from fedgin.study.plan import PlannedRun


def run_pooled(definition: StudyDefinition, run: PlannedRun) -> None:
    """Trains and measures; leaves rows, last model and outcome in the run's folder.

    The last model is measured, as in every regime: choosing a best one would need validation
    patients of a modality that the training sites may not have.

    Raises:
        FedginError: The sites' data or the settings are unfit.
    """
    start = time.perf_counter()
    folder = definition.run_folder(run)
    shutil.rmtree(folder, ignore_errors=True)
    settings = definition.settings(run)
    sites = prepare_training_sites(definition, settings)
    training = PooledTraining(sites=[sites[name] for name in run.train_sites], settings=settings)
    first = load_model(definition.run_folder(run.needs) / MODEL_FILE) if run.needs else None
    result = training.run(rounds=definition.rounds_of(run), folder=folder, start=first)
    cases = [case for data in sites.values() for case in data.splits["test"]]
    scores = patient_scores(measure(training.trainer, result.last, cases))
    scores += measure_unseen(definition, training.trainer, result.last)
    for name in (STATE_FOLDER, BEST_MODEL):  # of no use once the run has ended
        _remove(folder / name)
    outcome = Outcome(
        status="done",
        seconds=time.perf_counter() - start,
        steps=definition.steps_of(run),
        loss=result.losses,
        validation=[none_if_nan(score) for score in result.scores],
        code=package_hash(package_root()),
        version=fedgin.__version__,
        command=definition.command,
    )
    save_outcome(folder, outcome, rows_of(run, scores, unseen_sites=definition.unseen_sites))


def load_model(file: Path) -> Weights:
    """Reads a model that a run or FLARE's persistor saved.

    Raises:
        DataError: The file is missing or damaged.
    """
    try:
        content = load_torch(file)
        return {name: torch.as_tensor(value).numpy() for name, value in content["model"].items()}
    except (DataError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            Problem(
                str(file),
                "the model of a finished run can be read",
                reason,
                "remove the run's folder and start the study again: the run is repeated",
            )
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
