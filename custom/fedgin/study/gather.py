"""All that was ever run in a study's folder, whichever command asked for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from fedgin.augment.presets import PRESETS
from fedgin.study.definition import StudyDefinition
from fedgin.study.outcome import Outcome, load_outcome
from fedgin.study.plan import ALGORITHMS, PlannedRun, plan_runs
from fedgin.study.regimes import REGIMES

_SEED = re.compile(r"[^_]+_[^_]+_seed(\d+)_")


def gather(definition: StudyDefinition) -> StudyDefinition:
    """Adds the runs of earlier starts, so that no later, narrower one takes them from the report.

    A folder holds one study (see `fedgin.study.store`): its runs differ by regime, augmentation,
    algorithm and seed alone and belong side by side. A run counts as soon as its folder is there.

    Returns:
        The study with all its runs, in an order that does not depend on who asked for them.
    """
    folder = definition.folder / "runs"
    names = {run.identifier for run in definition.runs}
    if folder.is_dir():
        names |= {entry.name for entry in folder.iterdir() if entry.is_dir()}
    runs = tuple(run for run in _possible_runs(definition, names) if run.identifier in names)
    return replace(definition, runs=runs, seeds=tuple(sorted({run.seed for run in runs})))


def all_outcomes(definition: StudyDefinition, known: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Reads how the runs ended that are not known yet; those without an outcome are left out.

    Args:
        definition: The study, gathered.
        known: Outcomes by identifier.
    """
    found = dict(known)
    for run in definition.runs:
        if run.identifier not in found:
            outcome = load_outcome(definition.run_folder(run))
            if outcome is not None:
                found[run.identifier] = outcome
    return found


def _possible_runs(definition: StudyDefinition, names: set[str]) -> list[PlannedRun]:
    """Lists every run that the study's sites allow, for the seeds that occur in the names."""
    seeds = {int(match[1]) for name in names if (match := _SEED.match(name))}
    runs: dict[str, PlannedRun] = {}
    for algorithm in ALGORITHMS:
        for run in plan_runs(
            dict.fromkeys(REGIMES, tuple(PRESETS)),
            modality_of={site.name: site.config.modality for site in definition.training_sites},
            seeds=sorted(seeds),
            algorithm=algorithm,
        ):
            runs.setdefault(run.identifier, run)
    return list(runs.values())
