"""Where a study's runs run: pooled ones in worker processes, federated ones in the simulator."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

from fedgin.flare.simulation import stop
from fedgin.parent_watch import end_with_parent
from fedgin.study.definition import StudyDefinition
from fedgin.study.plan import PlannedRun
from fedgin.threads import set_threads


class Lanes:
    """Two queues: a pool of worker processes, and one simulator at a time."""

    def __init__(self, definition: StudyDefinition, *, workers: int) -> None:
        """Starts nothing yet.

        Args:
            definition: The study.
            workers: Number of worker processes.
        """
        self._definition = definition
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self.generation = 0
        self._federations = ThreadPoolExecutor(max_workers=1)
        self._simulator: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def pooled(self, run: PlannedRun) -> Future[None]:
        """Trains and measures a run that does not federate."""
        return self._workers_pool().submit(work_pooled, self._definition, run)

    def federate(self, run: PlannedRun) -> Future[None]:
        """Runs a federation; `collect` must follow."""
        return self._federations.submit(self._federate, run)

    def collect(self, run: PlannedRun) -> Future[None]:
        """Collects what a federation left and measures its model on unseen hospitals."""
        return self._workers_pool().submit(work_collect, self._definition, run)

    def renew(self, generation: int) -> None:
        """Replaces a pool one of whose processes died, once for all runs that were in it.

        Args:
            generation: The value of `generation` when the run was handed in.
        """
        if self._pool is None or generation != self.generation:
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None
        self.generation += 1

    def stop(self) -> None:
        """Ends everything that runs; a federation that is about to start ends at its start."""
        with self._lock:
            self._stopped = True
            if self._simulator is not None:
                stop(self._simulator)
        self._federations.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()

    def _federate(self, run: PlannedRun) -> None:
        from fedgin.study.federated_run import run_federation

        run_federation(self._definition, run, on_start=self._started)

    def _started(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._simulator = process
            if self._stopped:
                stop(process)

    def _workers_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=self._workers,
                # A forked process would inherit torch's threads in an unknown state.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=start_worker,
                initargs=(self._definition.threads,),
            )
        return self._pool


def start_worker(threads: int) -> None:
    """Prepares a worker process: its threads, its end, and no chatter on the terminal."""
    logging.getLogger().setLevel(logging.ERROR)
    end_with_parent()
    set_threads(threads)


def work_pooled(definition: StudyDefinition, run: PlannedRun) -> None:
    """Runs `run_pooled`, importing torch only here."""
    from fedgin.study.pooled_run import run_pooled

    run_pooled(definition, run)


def work_collect(definition: StudyDefinition, run: PlannedRun) -> None:
    """Runs `finish_federation`, importing torch only here."""
    from fedgin.study.federated_run import finish_federation

    finish_federation(definition, run)
