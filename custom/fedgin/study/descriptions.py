"""Plain descriptions of a study: means and spread, structures that were missed, seeds."""

from __future__ import annotations

import statistics as standard
from collections import Counter
from typing import Any

from fedgin.study.arms import POPULATIONS, Arm, Measurements, judged_populations
from fedgin.study.estimates import estimate_mean, spread
from fedgin.study.patients import patient_means
from fedgin.study.rows import METRICS, MODALITIES, STATUSES, Row


def mean_table(measurements: Measurements) -> list[dict[str, Any]]:
    """Describes each metric by arm, augmentation, population and test modality.

    Args:
        measurements: The study's rows.

    Returns:
        One entry each, over patients averaged over seeds, classes and training sites: n, mean with
        interval, median, standard deviation (None for one patient); HD95 in mm.
    """
    entries = []
    for arm, augmentation, population in _cells(measurements):
        for metric in METRICS:
            for modality in ("all", *MODALITIES):
                rows = measurements.select(
                    arm,
                    augmentation,
                    population=population,
                    metric=metric,
                    modality=None if modality == "all" else modality,
                )
                if values := list(patient_means(rows).values()):
                    entries.append(
                        {
                            **_head(arm, augmentation, population),
                            "metric": metric,
                            "modality": modality,
                            **estimate_mean(values),
                            **spread(values),
                        }
                    )
    return entries


def count_table(measurements: Measurements) -> list[dict[str, Any]]:
    """Counts structures by status, per arm, augmentation and population.

    A structure is counted once per run: a patient who is tested by three models counts three times.
    """
    entries = []
    for arm, augmentation, population in _cells(measurements):
        rows = measurements.select(arm, augmentation, population=population)
        counts = Counter(row.status for row in rows)
        entries.append(
            {
                **_head(arm, augmentation, population),
                **{status.replace(" ", "_"): counts[status] for status in STATUSES},
                "structures": len(rows),
            }
        )
    return entries


def seed_table(measurements: Measurements) -> list[dict[str, Any]]:
    """Computes mean Dice per seed and its spread over seeds, on the judged populations.

    Returns:
        One entry per arm, augmentation and population: `per_seed` by seed, their mean and standard
        deviation (n - 1); None for one seed, which has no spread.
    """
    entries = []
    for arm, augmentation, population in _cells(measurements):
        if population not in [judged.name for judged in judged_populations(arm.regime)]:
            continue
        rows = measurements.select(arm, augmentation, population=population)
        per_seed = {
            str(seed): mean
            for seed in sorted({row.seed for row in rows})
            if (mean := _mean([row for row in rows if row.seed == seed])) is not None
        }
        if per_seed:
            values = list(per_seed.values())
            entries.append(
                {
                    **_head(arm, augmentation, population),
                    "per_seed": per_seed,
                    "mean": standard.fmean(values),
                    "sd": standard.stdev(values) if len(values) > 1 else None,
                }
            )
    return entries


def not_annotated(measurements: Measurements) -> list[dict[str, str]]:
    """Lists the structures that a test site does not annotate."""
    found = {
        (row.test_site, row.class_name)
        for row in measurements.rows
        if row.status == "not annotated"
    }
    return [{"site": site, "class": name} for site, name in sorted(found)]


def _cells(measurements: Measurements) -> list[tuple[Arm, str, str]]:
    return [
        (arm, augmentation, population.name)
        for arm in measurements.arms()
        for population in POPULATIONS[arm.regime]
        for augmentation in measurements.augmentations(arm)
        if measurements.select(arm, augmentation, population=population.name)
    ]


def _mean(rows: list[Row]) -> float | None:
    values = list(patient_means(rows).values())
    return standard.fmean(values) if values else None


def _head(arm: Arm, augmentation: str, population: str) -> dict[str, Any]:
    return {
        "regime": arm.regime,
        "algorithm": arm.algorithm,
        "arm": arm.label,
        "augmentation": augmentation,
        "population": population,
    }
