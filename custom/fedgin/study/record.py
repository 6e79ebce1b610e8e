"""The study's record: everything beside the rows that its report is made from."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import logging
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fedgin
from fedgin.data.prepare import PreparedSite
from fedgin.files import SHARED, write_atomically
from fedgin.package import package_hash, package_root
from fedgin.study.definition import StudyDefinition
from fedgin.study.outcome import Outcome, load_outcome, load_rows
from fedgin.study.own_settings import shared_settings
from fedgin.study.plan import PlannedRun
from fedgin.study.rows import Row, write_rows
from fedgin.study.sites import describe_site

logger = logging.getLogger(__name__)

FORMAT = 1
RESULTS_CSV, RESULTS_JSON = "results.csv", "results.json"
_LIBRARIES = ("torch", "monai", "nvflare", "numpy", "scipy")


def collect_rows(definition: StudyDefinition) -> list[Row]:
    """Reads the rows of every finished run, in the order of the plan."""
    rows: list[Row] = []
    for run in definition.runs:
        folder = definition.run_folder(run)
        outcome = load_outcome(folder)
        if outcome is not None and outcome.status == "done":
            rows += load_rows(folder)
    return rows


def make_record(
    definition: StudyDefinition,
    *,
    outcomes: Mapping[str, Outcome],
    sites: Mapping[str, PreparedSite],
    command: str,
    seconds: float,
) -> dict[str, Any]:
    """Puts a study's record together, without the summary.

    Args:
        definition: The study, with all its runs: see `fedgin.study.gather`.
        outcomes: How the runs ended, by identifier; one that is missing is pending.
        sites: All sites, prepared, by name; a site that could not be prepared may be missing.
        command: The command as the user typed it.
        seconds: Wall time of this start.
    """
    resolved = definition.base.resolve()
    return {
        "format": FORMAT,
        "task": definition.base.task,
        "classes": list(resolved.task.class_names),
        "command": command,
        "commands": _commands(definition, outcomes),
        "versions": versions(),
        "codes": sorted({outcome.code for outcome in outcomes.values()} - {""}),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "quick": definition.quick,
        "seeds": list(definition.seeds),
        "tolerance_mm": resolved.tolerance_mm,
        "rounds": definition.rounds,
        "steps_per_site": definition.rounds * definition.base.steps_per_round,
        "notes": _notes(definition, outcomes),
        "settings": shared_settings(definition.base.model_dump(mode="json")),
        "sites": _site_records(definition, sites),
        "runs": [_run_record(run, outcomes.get(run.identifier)) for run in definition.runs],
    }


def versions() -> dict[str, str]:
    """Lists the versions that a result depends on."""
    found = {"fedgin": f"{fedgin.__version__} ({package_hash(package_root())[:12]})"}
    found["python"] = platform.python_version()
    found |= {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return found


def save_results(folder: Path, *, rows: Sequence[Row], record: Mapping[str, Any]) -> None:
    """Writes results.csv and results.json, each whole or not at all.

    Raises:
        OSError: The disk is full; the files of an earlier start, if any, stay.
    """
    write_rows(folder / RESULTS_CSV, rows)
    content = json.dumps(_without_nan(record), indent=1, allow_nan=False)
    write_atomically(folder / RESULTS_JSON, content.encode(), mode=SHARED)


def _site_records(
    definition: StudyDefinition, sites: Mapping[str, PreparedSite]
) -> list[dict[str, Any]]:
    records = []
    for role, members in (
        ("training", definition.training_sites),
        ("unseen", definition.unseen_sites),
    ):
        for site in members:
            data = sites.get(site.name)
            splits = data.splits if data else {}
            counts = {name: len({case.patient for case in splits[name]}) for name in splits}
            if role == "unseen":
                counts = {"train": 0, "validation": 0, "test": sum(counts.values())}
            records.append(
                {
                    "name": site.name,
                    "modality": site.config.modality,
                    "role": role,
                    "description": describe_site(site),
                    "patients": counts,
                    "not_annotated": list(data.not_annotated) if data else [],
                }
            )
    return records


def _run_record(run: PlannedRun, outcome: Outcome | None) -> dict[str, Any]:
    return {
        "id": run.identifier,
        "regime": run.regime,
        "augmentation": run.augmentation,
        "algorithm": run.algorithm,
        "seed": run.seed,
        "train_sites": list(run.train_sites),
        "status": outcome.status if outcome else "pending",
        "error": outcome.error if outcome else "",
        "seconds": outcome.seconds if outcome else 0.0,
        "steps": outcome.steps if outcome else 0,
        "loss": outcome.loss if outcome else [],
        "validation": outcome.validation if outcome else [],
        "code": outcome.code if outcome else "",
        "version": outcome.version if outcome else "",
        "command": outcome.command if outcome else "",
    }


def _commands(definition: StudyDefinition, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Lists the commands that made the runs, in the order of the runs, each once."""
    made = [outcomes[run.identifier] for run in definition.runs if run.identifier in outcomes]
    return list(dict.fromkeys(outcome.command for outcome in made if outcome.command))


def _notes(definition: StudyDefinition, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Lists what a reader should know of the runs that no table says."""
    notes = list(definition.notes)
    silent = [one for one in outcomes.values() if one.status == "done" and not one.command]
    if silent:
        notes.append(
            f"{len(silent)} runs were made before runs kept their command: it is not listed"
        )
    return notes


def _without_nan(value: Any) -> Any:
    """Replaces numbers that JSON does not know by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value
