"""A study's federated run: the real FLARE job, through the simulator."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import fedgin
from fedgin.config import read_mapping
from fedgin.engine.device import choose_device
from fedgin.engine.patient_scores import PatientScore
from fedgin.engine.site_work import none_if_nan
from fedgin.engine.trainer import Trainer
from fedgin.errors import DataError, Problem
from fedgin.files import write_atomically
from fedgin.flare.simulation import LAST_MODEL, Simulation, simulate
from fedgin.jobs.export import CONFIG, SERVER_FILE, export_job
from fedgin.overrides import flatten
from fedgin.package import package_hash, package_root
from fedgin.report.run_record import SiteMetrics, score_of
from fedgin.study.definition import StudyDefinition
from fedgin.study.measure import measure_unseen, prepare_training_sites, rows_of
from fedgin.study.outcome import LOG_FILE, MODEL_FILE, Outcome, save_outcome
from fedgin.study.plan import PlannedRun
from fedgin.study.pooled_run import load_model

WORKSPACE, JOB, SECONDS_FILE = "workspace", "job", "seconds.json"
INTERVAL = "task_request_interval"
AGREEMENT = 1e-9


def run_federation(
    definition: StudyDefinition,
    run: PlannedRun,
    *,
    on_start: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
) -> None:
    """Exports the job with the run's settings and runs it in the simulator.

    Raises:
        FedginError: The job cannot be exported, or a site did not do its part.
    """
    start = time.perf_counter()
    folder = definition.run_folder(run)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    values = definition.settings(run).training.model_dump(mode="json")
    values.pop("plan")  # a job's plan stays what it is, and every setting is named
    overrides = flatten(values)
    overrides += [
        f"num_rounds={definition.rounds_of(run)}",
        f"min_clients={len(run.train_sites)}",
        *flatten({"min_sites": _sites_by_modality(definition, run)}),
        *_request_interval(definition.job),
    ]
    job = export_job(definition.job, folder / JOB, byoc=True, overrides=overrides)
    simulate(
        job,
        workspace=folder / WORKSPACE,
        sites=run.train_sites,
        site_configs=definition.sites_folder,
        log=folder / LOG_FILE,
        on_start=on_start,
    )
    seconds = time.perf_counter() - start
    write_atomically(folder / SECONDS_FILE, json.dumps(seconds).encode())


def _request_interval(job: Path) -> list[str]:
    """Lets sites ask for work ten times a second: a study's rounds last no longer than that wait.

    A job without the number keeps FLARE's two seconds.
    """
    server = read_mapping(job / CONFIG / SERVER_FILE)
    return [f"{INTERVAL}=0.1"] if INTERVAL in server else []


def _sites_by_modality(definition: StudyDefinition, run: PlannedRun) -> dict[str, int]:
    """Counts the sites: all of them must do their part, and a study may have one modality."""
    modalities = [definition.modality_of[site].lower() for site in run.train_sites]
    return {name: modalities.count(name) for name in ("ct", "mr")}


def finish_federation(definition: StudyDefinition, run: PlannedRun) -> None:
    """Collects the sites' scores, measures the unseen hospitals, and cleans up.

    Raises:
        DataError: FLARE's cross-site results and the sites' own scores disagree.
    """
    start = time.perf_counter()
    folder = definition.run_folder(run)
    simulation = _finished(folder)
    scores = [score for site in run.train_sites for score in simulation.scores(site)]
    floors = {site.name: site.config.reporting_floor for site in definition.training_sites}
    _check_agreement(simulation, {name: floors[name] for name in run.train_sites}, scores)
    settings = definition.settings(run)
    trainer = Trainer(
        settings=settings,
        site="study",
        cases=prepare_training_sites(definition, settings)[run.train_sites[0]].splits["train"],
        device=choose_device(definition.training_sites[0].config.device),
    )
    shutil.copyfile(simulation.last_model, folder / MODEL_FILE)
    scores += measure_unseen(definition, trainer, load_model(folder / MODEL_FILE))
    seconds = json.loads((folder / SECONDS_FILE).read_text())
    outcome = Outcome(
        status="done",
        seconds=seconds + time.perf_counter() - start,
        steps=definition.steps_of(run),
        loss=_mean_losses([simulation.losses(site) for site in run.train_sites]),
        validation=_validation(simulation),
        code=package_hash(package_root()),
        version=fedgin.__version__,
        command=definition.command,
    )
    save_outcome(folder, outcome, rows_of(run, scores, unseen_sites=definition.unseen_sites))
    for name in (WORKSPACE, JOB):
        shutil.rmtree(folder / name, ignore_errors=True)


def _finished(folder: Path) -> Simulation:
    file = folder / WORKSPACE / "server" / "simulate_job" / "report.json"
    report = json.loads(file.read_text(encoding="utf-8"))
    shutil.copyfile(file, folder / "report.json")
    return Simulation(workspace=folder / WORKSPACE, report=report)


def _check_agreement(
    simulation: Simulation, floors: Mapping[str, int], scores: Sequence[PatientScore]
) -> None:
    """Compares each site's mean Dice by class with what FLARE's cross-site evaluation holds.

    Args:
        simulation: The run.
        floors: By site the patients below which it reports no class.
        scores: The patients' scores.
    """
    results = simulation.cross_site_results()
    for site, floor in floors.items():
        told = results[site][LAST_MODEL]["test"]["per_class"]
        for class_name, mean in told.items():
            values = [
                row.score.value
                for row in scores
                if (row.site, row.score.class_name, row.score.metric) == (site, class_name, "dice")
                and not math.isnan(row.score.value)
            ]
            if (len(values) >= max(floor, 1)) != (mean is not None) or (
                mean is not None and abs(np.mean(values) - mean) > AGREEMENT
            ):
                raise DataError(
                    Problem(
                        f"scores of {site}, class {class_name}",
                        "their mean must be FLARE's cross-site result",
                        f"{np.mean(values) if values else None} and {mean}",
                        "run the study again",
                    )
                )


def _mean_losses(by_site: Sequence[Sequence[float | None]]) -> list[float]:
    """Averages the sites' losses round by round, as far as all sites have one."""
    return [
        float(np.mean([loss for loss in losses if loss is not None]))
        for losses in zip(*by_site, strict=False)
    ]


def _validation(simulation: Simulation) -> list[float | None]:
    """Returns the global model's validation score after 0, 1, ... rounds."""
    reports = {
        int(number): {site: SiteMetrics(**metrics) for site, metrics in sites.items()}
        for number, sites in simulation.report["validation"].items()
    }
    return [none_if_nan(score_of(reports[number])) for number in sorted(reports)]
