"""Why a comparison has no number: what was not run, did not finish or met no patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgin.study.arms import Arm

Summary = Mapping[str, Any]
WITH = {"none": "without augmentation", "gin": "with GIN"}


def unfinished_runs(runs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Lists regime, algorithm and augmentation of the runs that failed or have not run."""
    found = {
        (run["regime"], run["algorithm"], run["augmentation"])
        for run in runs
        if run["status"] != "done"
    }
    return [list(names) for names in sorted(found)]


def missing_runs(summary: Summary, arm: Arm, augmentations: Sequence[str]) -> list[str]:
    """Says which augmentations of an arm have no rows, and whether they were to be run.

    Args:
        summary: The tables of `fedgin.study.summary`.
        arm: The way to train.
        augmentations: Those that a comparison needs.
    """
    return [
        f"{arm.label} training {WITH.get(name, f'with {name}')} "
        + ("has not finished" if _planned(summary, arm, name) else "was not run")
        for name in augmentations
        if name not in measured_augmentations(summary, arm)
    ]


def measured_augmentations(
    summary: Summary, arm: Arm, *, population: str | None = None
) -> list[str]:
    """Lists the augmentations of an arm that have rows, of one population or of any."""
    return list(
        dict.fromkeys(
            entry["augmentation"]
            for entry in summary["counts"]
            if (entry["regime"], entry["algorithm"]) == (arm.regime, arm.algorithm)
            and population in (None, entry["population"])
        )
    )


def missing_patients(
    summary: Summary, arm: Arm, augmentations: Sequence[str], *, population: str
) -> str:
    """Says that a population has no patients, or none with a value on both sides."""
    measured = measured_augmentations(summary, arm, population=population)
    if set(augmentations) <= set(measured):
        return f'no patient of "{population}" has a value from both {arm.label} trainings'
    return f'{arm.label} training was run, but no patient of "{population}" was measured'


def federated_arms(summary: Summary) -> list[Arm]:
    """Lists the federated arms that have rows or were to have them; plain averaging if none is."""
    found = {
        entry["algorithm"] for entry in summary["counts"] if entry["regime"] == "federated"
    } | {algorithm for regime, algorithm, _ in summary["unfinished"] if regime == "federated"}
    arms = [Arm("federated", algorithm) for algorithm in found or {"fedavg"}]
    return sorted(arms, key=lambda arm: arm.rank)


def _planned(summary: Summary, arm: Arm, augmentation: str) -> bool:
    wanted = (arm.regime, arm.algorithm, augmentation)
    return any(tuple(entry) == wanted for entry in summary["unfinished"])
