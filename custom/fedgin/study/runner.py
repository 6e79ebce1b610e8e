"""Running a study: every run once, whatever becomes of the others; later starts go on."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedgin.errors import FedginError
from fedgin.study.definition import StudyDefinition
from fedgin.study.lanes import Lanes
from fedgin.study.outcome import LOG_FILE, Outcome, load_outcome, save_outcome
from fedgin.study.plan import PlannedRun
from fedgin.study.regimes import REGIMES

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often a run is tried whose process died: another run may have eaten the memory."""


@dataclass(frozen=True)
class RunEvent:
    """Something that happened to a run.

    Attributes:
        kind: `found` where an earlier start finished it, else `started`, `done` or `failed`.
        run: The run.
        outcome: How it ended, where it did.
    """

    kind: Literal["found", "started", "done", "failed"]
    run: PlannedRun
    outcome: Outcome | None = None


Phase = Literal["pooled", "federate", "collect"]


class StudyRunner:
    """Runs what is not finished yet."""

    def __init__(
        self,
        definition: StudyDefinition,
        *,
        workers: int,
        on_event: Callable[[RunEvent], None] = lambda event: None,
    ) -> None:
        """Takes stock.

        Args:
            definition: The study.
            workers: Processes that train pooled runs at the same time.
            on_event: Told whatever happens.
        """
        self._definition = definition
        self._workers = workers
        self._on_event = on_event
        self._lanes = Lanes(definition, workers=workers)
        self._active: dict[Future[None], tuple[PlannedRun, Phase]] = {}
        self._generation: dict[str, int] = {}
        self._pending: list[PlannedRun] = []
        self._finished: dict[str, Outcome] = {}
        self._started: dict[str, float] = {}
        self._attempts: dict[str, int] = {}

    def run(self) -> dict[str, Outcome]:
        """Runs everything; a run that failed in an earlier start is tried again.

        Returns:
            The outcome of every run, by identifier.
        """
        for run in self._definition.runs:
            outcome = load_outcome(self._definition.run_folder(run))
            if outcome is not None and outcome.status == "done":
                self._end(run, outcome, kind="found")
            else:
                self._pending.append(run)
        try:
            while self._pending or self._active:
                self._start_what_can()
                self._wait()
        finally:
            self._lanes.stop()
        return self._finished

    def _start_what_can(self) -> None:
        for run in list(self._pending):
            federated = REGIMES[run.regime].federated
            if run.needs and run.needs not in self._finished:
                continue
            if not self._has_room(federated=federated):
                continue
            self._pending.remove(run)
            if run.needs and self._finished[run.needs].status == "failed":
                self._fail(run, f"the run that it starts from failed: {run.needs}")
                continue
            self._begin(run, "federate" if federated else "pooled")

    def _has_room(self, *, federated: bool) -> bool:
        phases = [phase for _, phase in self._active.values()]
        if federated:
            return "federate" not in phases
        # The sites of a running federation take a share of the processors.
        most = max(1, self._workers - phases.count("federate"))
        return len(phases) - phases.count("federate") < most

    def _begin(self, run: PlannedRun, phase: Phase) -> None:
        if phase != "collect":
            self._started[run.identifier] = time.perf_counter()
            self._on_event(RunEvent("started", run))
        lane = {
            "pooled": self._lanes.pooled,
            "federate": self._lanes.federate,
            "collect": self._lanes.collect,
        }[phase]
        self._active[lane(run)] = (run, phase)
        self._generation[run.identifier] = self._lanes.generation

    def _wait(self) -> None:
        if not self._active:
            return
        done, _ = wait(self._active, return_when=FIRST_COMPLETED)
        for future in done:
            run, phase = self._active.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                self._again(run, phase)
            elif error is not None:
                self._fail(run, describe(error, self._definition.run_folder(run)))
                self._note(run, error)
            elif phase == "federate":
                self._begin(run, "collect")
            else:
                outcome = load_outcome(self._definition.run_folder(run))
                if outcome is None:
                    self._fail(run, "its files cannot be read back")
                else:
                    self._end(run, outcome, kind="done")

    def _again(self, run: PlannedRun, phase: Phase) -> None:
        """A worker process died, and with it the pool: every run in it comes here."""
        self._lanes.renew(self._generation[run.identifier])
        self._attempts[run.identifier] = self._attempts.get(run.identifier, 0) + 1
        if self._attempts[run.identifier] < ATTEMPTS:
            self._begin(run, phase)
        else:
            self._fail(run, "its process was killed, perhaps for lack of memory")

    def _fail(self, run: PlannedRun, error: str) -> None:
        seconds = time.perf_counter() - self._started.get(run.identifier, time.perf_counter())
        outcome = Outcome(status="failed", error=error, seconds=seconds)
        try:
            save_outcome(self._definition.run_folder(run), outcome)
        except OSError as failure:  # a full disk must not lose the other runs
            logger.warning("%s: %s", run.identifier, failure)
        self._end(run, outcome, kind="failed")

    def _note(self, run: PlannedRun, error: BaseException) -> None:
        try:
            with (self._definition.run_folder(run) / LOG_FILE).open("a") as log:
                log.writelines(traceback.format_exception(error))
        except OSError as failure:
            logger.warning("%s: %s", run.identifier, failure)

    def _end(
        self, run: PlannedRun, outcome: Outcome, *, kind: Literal["found", "done", "failed"]
    ) -> None:
        self._finished[run.identifier] = outcome
        self._on_event(RunEvent(kind, run, outcome))


def describe(error: BaseException, folder: Path) -> str:
    """Says in a line what went wrong with a run whose files lie in a folder."""
    if isinstance(error, FedginError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or folder}: {error.strerror}"
    return f"{type(error).__name__}: {error}"
