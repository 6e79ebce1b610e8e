"""From a command to the first training step, and the cost of a site's process in the simulator."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedgin.bench.figures import Figure, Mark, text_of
from fedgin.bench.made_sites import SITES, write_sites
from fedgin.bench.options import BenchOptions
from fedgin.bench.times import Times
from fedgin.errors import FedginError, Problem
from fedgin.flare.simulation import stop
from fedgin.jobs.export import export_job
from fedgin.sites.lookup import FOLDER_VARIABLE
from fedgin.study.build import default_job

GROUP = "startup"
TRAIN_MARK, SIMULATOR_MARK, TASK_MARK = 8.0, 15.0, 4.0
REPEATS = 3
ROUNDS = 3
PATIENCE = 240.0
"""Seconds after which a command is given up."""


class StartupError(FedginError):
    """A command did not come as far as its first training step."""


def measure_startup(options: BenchOptions) -> list[Figure]:
    """Times `fedgin train` and `nvflare simulator` with volumes that are cached.

    Raises:
        StartupError: A command ended or hung before its first step.
        ConfigError: There is no checkout with jobs.
    """
    with tempfile.TemporaryDirectory(prefix="fedgin-bench-") as name:
        bench = _Workplace(Path(name), options)
        bench.train()  # fills the cache
        train = Times(tuple(bench.train() for _ in range(REPEATS)))
        simulations = [bench.simulate() for _ in range(REPEATS)]
    first = Times(tuple(to_first for to_first, _ in simulations))
    # From a first site's answer in one round to that in the next, all sites have had a task.
    tasks = (ROUNDS - 1) * len(SITES)
    task = Times(tuple((to_last - to_first) / tasks for to_first, to_last in simulations))
    return [
        _within("fedgin train: to the end of a first round of one step", train, TRAIN_MARK),
        _within("nvflare simulator: to a first site's first step", first, SIMULATOR_MARK),
        _within(
            "one-thread simulator: a task of one step in a process of its own", task, TASK_MARK
        ),
    ]


def _within(name: str, times: Times, seconds: float) -> Figure:
    return Figure(
        group=GROUP,
        name=name,
        ours=text_of(times.median),
        value=times.median,
        unit="s",
        mark=Mark(rule="at most", value=seconds),
        spread=times.spread,
    )


class _Workplace:
    """A folder with two small phantom sites, a job, and a cache of its own."""

    def __init__(self, folder: Path, options: BenchOptions) -> None:
        self._folder = folder
        self._settings = options.settings
        self._job = default_job(options.settings.task.name)
        write_sites(folder / "sites", cache=folder / "cache", threads=1)

    def train(self) -> float:
        """Runs `fedgin train` to the end of its first round, and returns the seconds."""
        arguments = ["train", "--sites", ",".join(SITES), "--job", str(self._job), "--rounds", "1"]
        entry = "from fedgin.cli import main; main()"
        out = ["--set", "steps_per_round=1", "--force", "--out", str(self._folder / "train")]
        (seconds,) = self._run(
            [sys.executable, "-c", entry, *arguments, *out], "round 1 of 1: loss"
        )
        return seconds

    def simulate(self) -> tuple[float, float]:
        """Runs `nvflare simulator`, one site's task at a time, and ends it in the last round.

        Returns:
            Seconds until a first site has trained in the first round, and in the last one.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            overrides = ["steps_per_round=1", f"num_rounds={ROUNDS}", "task_request_interval=0.1"]
            job = export_job(self._job, Path(name) / "job", byoc=True, overrides=overrides)
            command = [sys.executable, "-m", "nvflare.cli", "simulator", str(job), "-w"]
            command += [str(Path(name) / "run"), "-c", ",".join(SITES)]
            first, last = self._run(command, "round 1: loss", f"round {ROUNDS}: loss")
        return first, last

    def _run(self, command: Sequence[str], *words: str) -> list[float]:
        """Runs a command until it has said some words in their order; returns when it said each."""
        log = self._folder / "log.txt"
        start = time.perf_counter()
        said: list[float] = []
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                while len(said) < len(words):
                    ended = process.poll() is not None
                    if _says(log, words[len(said)]):
                        said.append(time.perf_counter() - start)
                    elif ended or time.perf_counter() - start > PATIENCE:
                        break
                    else:
                        time.sleep(0.02)
            finally:
                stop(process)
        if len(said) < len(words):
            tail = log.read_text(encoding="utf-8", errors="replace")[-500:]
            found = f"after {time.perf_counter() - start:.0f} s: {tail}"
            mend = "see that the command works by itself"
            rule = f"it must say '{words[len(said)]}'"
            raise StartupError(Problem(" ".join(command[:4]), rule, found, mend))
        return said

    def _environment(self) -> Mapping[str, str]:
        cache, state = str(self._folder / "cache"), str(self._folder / "state")
        own = {"XDG_CACHE_HOME": cache, "XDG_STATE_HOME": state, "COLUMNS": "200"}
        return {**os.environ, **own, FOLDER_VARIABLE: str(self._folder / "sites")}


def _says(log: Path, words: str) -> bool:
    return words in log.read_text(encoding="utf-8", errors="replace")
