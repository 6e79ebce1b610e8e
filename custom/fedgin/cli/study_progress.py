"""What a study shows while it runs: a bar with the time left, and a line per run."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fedgin.augment.views import build_views
from fedgin.data.annotation import nobody_annotates, nobody_annotates_problem
from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.errors import DataError, FedginError, Problem
from fedgin.sites.named_problems import name_site
from fedgin.study.definition import StudyDefinition
from fedgin.study.plan import PlannedRun
from fedgin.study.runner import RunEvent
from fedgin.words import counted


class StudyProgress:
    """A progress bar in units of work: optimizer steps times views."""

    def __init__(self, definition: StudyDefinition, console: Console) -> None:
        """Starts the bar; where the output is no terminal, lines are all there is."""
        self._definition = definition
        self._console = console
        self._units = {run.identifier: self._work(run) for run in definition.runs}
        self._ended = 0
        self._start = time.perf_counter()
        self._left = sum(self._units.values())
        self._done = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=3600,
        )
        self._task = self._bar.add_task("training steps", total=sum(self._units.values()))

    def __enter__(self) -> Self:
        """Shows the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the bar away."""
        self.close()

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.stop()

    def prepare(self) -> dict[str, PreparedSite]:
        """Prepares all sites' volumes, so that the runs find them in the cache.

        Raises:
            DataError: Sites are unfit; the problems of all are listed.
        """
        settings = self._definition.base.resolve()
        prepared: dict[str, PreparedSite] = {}
        problems: list[Problem] = []
        for partial, sites in (
            (False, self._definition.training_sites),
            (True, self._definition.unseen_sites),
        ):
            for site in sites:
                try:
                    data = prepare_site(site, settings, partial=partial, trains=not partial)
                except FedginError as error:
                    problems += name_site(error.problems, site)
                    continue
                prepared[site.name] = data
                lacking = f", not annotated: {', '.join(data.not_annotated)}"
                self._line(
                    f"{site.name}: {counted(sum(map(len, data.splits.values())), 'case')}, "
                    f"{data.prepared} prepared in {data.seconds:.1f} s"
                    + (lacking if data.not_annotated else "")
                )
                if not partial and not data.splits["train"]:
                    problems.append(_no_patients(site.name))
        training = [site.name for site in self._definition.training_sites]
        if missing := nobody_annotates(
            settings.task.class_names,
            {name: data.not_annotated for name, data in prepared.items() if name in training},
        ):
            problems.append(nobody_annotates_problem(missing, settings.task.class_names))
        if problems:
            raise DataError(problems)
        return prepared

    def show(self, event: RunEvent) -> None:
        """Shows what happened to a run."""
        if event.kind == "started":
            return
        self._ended += 1
        total = len(self._definition.runs)
        words = {"found": "done before", "done": "done", "failed": "FAILED"}[event.kind]
        outcome = event.outcome
        seconds = f" in {outcome.seconds:.0f} s" if outcome and event.kind != "found" else ""
        error = f": {outcome.error}" if outcome and outcome.error else ""
        units = self._units[event.run.identifier]
        self._left -= units
        self._done += units if event.kind != "found" else 0
        self._line(
            f"[{self._ended}/{total}] {event.run.identifier}: {words}{seconds}{error}"
            f"{self._time_left()}"
        )
        if event.kind == "found":
            # What an earlier start did says nothing about the time left now.
            task = self._bar.tasks[self._task]
            self._bar.update(self._task, total=(task.total or 0) - units)
        else:
            self._bar.advance(self._task, units)

    def _time_left(self) -> str:
        """Says how long the rest takes at the speed so far; the bar does where there is one."""
        if self._bar.console.is_terminal or not self._done or not self._left:
            return ""
        seconds = (time.perf_counter() - self._start) / self._done * self._left
        return f" (about {max(1, round(seconds / 60))} min left)"

    def _work(self, run: PlannedRun) -> int:
        views = build_views(self._definition.settings(run).training).count
        return self._definition.steps_of(run) * views

    def _line(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _no_patients(site: str) -> Problem:
    return Problem(
        f"site '{site}'",
        "a site of the study federation needs patients to train on",
        "none",
        "add cases, or name the site with --unseen",
    )
