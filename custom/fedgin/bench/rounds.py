"""A federated round in FLARE's simulator beside the same training in processes without FLARE."""

from __future__ import annotations

import datetime
import multiprocessing
import re
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from fedgin.bench.figures import Figure, Mark, text_of
from fedgin.bench.made_sites import SITES, write_sites
from fedgin.bench.options import BenchOptions
from fedgin.engine.site_work import SiteWork
from fedgin.engine.step_probe import probe_steps
from fedgin.engine.weights import get_weights
from fedgin.flare.simulation import simulate
from fedgin.jobs.export import export_job
from fedgin.networks import build_network
from fedgin.overrides import flatten
from fedgin.settings import ResolvedSettings, TrainingSettings
from fedgin.sites.lookup import load_site_file
from fedgin.study.build import default_job
from fedgin.threads import set_threads

GROUP = "rounds"
WORK_SECONDS = 60.0
MARK = 1.15
ROUNDS = 2
STAMP = re.compile(r"^(\S+ \S+),(\d{3}) - .*round 2 of 2: (begins|ended)", re.MULTILINE)


def measure_round(options: BenchOptions) -> list[Figure]:
    """Times the second round of two sites that both train for a minute, each with one thread.

    The first round's start-up and validation are left out on both sides.

    Raises:
        SimulationError: The simulated federation failed.
    """
    with tempfile.TemporaryDirectory(prefix="fedgin-bench-") as name:
        folder = Path(name)
        write_sites(folder / "sites", cache=folder / "cache", threads=1)
        steps = _steps(folder, options.settings)
        training = options.settings.training.model_copy(
            update={"steps_per_round": steps, "validate_every": ROUNDS, "plan": None}
        )
        alone = _without_flare(folder, training)
        federated = _with_flare(folder, training)
    return [
        Figure(
            group=GROUP,
            name=f"a round of {steps} steps at each of {len(SITES)} sites",
            ours=text_of(federated),
            against=f"the same processes without FLARE: {text_of(alone)}",
            value=federated / alone,
            unit="x",
            mark=Mark(rule="at most", value=MARK),
        )
    ]


def _steps(folder: Path, settings: ResolvedSettings) -> int:
    """Counts the steps that a site takes in a minute while the other one trains too."""
    training = settings.training.model_copy(update={"steps_per_round": 1})
    seconds = _at_once(folder, training, probe=True)
    return max(1, round(WORK_SECONDS / seconds))


def _with_flare(folder: Path, training: TrainingSettings) -> float:
    values = training.model_dump(mode="json")
    values.pop("plan")
    job = export_job(
        default_job(training.task),
        folder / "job",
        byoc=True,
        overrides=[*flatten(values), f"num_rounds={ROUNDS}"],
    )
    log = folder / "log.txt"
    simulate(job, workspace=folder / "run", sites=SITES, site_configs=folder / "sites", log=log)
    stamps = {
        what: datetime.datetime.fromisoformat(f"{second}.{milliseconds}")
        for second, milliseconds, what in STAMP.findall(log.read_text(encoding="utf-8"))
    }
    return (stamps["ended"] - stamps["begins"]).total_seconds()


def _without_flare(folder: Path, training: TrainingSettings) -> float:
    return _at_once(folder, training, probe=False)


def _at_once(folder: Path, training: TrainingSettings, *, probe: bool) -> float:
    """Lets all sites train at the same time, each in a process, and returns the longest time."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(SITES)), context.SimpleQueue()
    processes = [
        context.Process(
            target=_train_alone, args=(folder, site, training, barrier, results, probe), daemon=True
        )
        for site in SITES
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a process without FLARE failed; see what it printed above")
    return max(results.get() for _ in SITES)


def _train_alone(
    folder: Path,
    site: str,
    training: TrainingSettings,
    barrier: Barrier,
    results: multiprocessing.SimpleQueue[float],
    probe: bool,
) -> None:
    set_threads(1)
    settings = training.resolve()
    work = SiteWork(
        site=load_site_file(folder / "sites" / f"{site}.yaml"),
        settings=settings,
        run_folder=folder / "alone" / site,
    )
    weights = get_weights(build_network(settings))
    barrier.wait()
    seconds = probe_steps(
        work.trainer, repeats=20
    ).seconds  # the round's start is warm in FLARE too
    if not probe:
        barrier.wait()
        start = time.perf_counter()
        work.train(weights, round_number=0, rounds=ROUNDS, validation_dice=float("nan"))
        seconds = time.perf_counter() - start
    results.put(seconds)
