"""GIN against no augmentation and against every rival, patient by patient."""

from __future__ import annotations

from typing import Any

from fedgin.study.arms import Arm, Measurements, Population, judged_populations
from fedgin.study.estimates import compare_family, estimate_difference
from fedgin.study.patients import Pairs, paired_means
from fedgin.study.rows import MODALITIES

GIN = "gin"
NONE = "none"
# Variants of GIN are tested in a family of their own: they are not rivals.
VARIANTS = ("gin-batch", "gin-consistency", "gin-ipa")
ALL = "all"


def gain_table(measurements: Measurements, classes: list[str]) -> list[dict[str, Any]]:
    """Computes GIN's gain in Dice over no augmentation.

    Args:
        measurements: The study's rows.
        classes: The task's structures.

    Returns:
        One entry per arm, judged population, test modality ("all" for both) and class ("mean" is
        the mean over classes): n patients, mean Dice over the same patients with GIN (`first`)
        and without (`second`), the difference and its bootstrap interval over patients.
    """
    entries = []
    for arm, population in _cells(measurements):
        for modality in (ALL, *MODALITIES):
            for name in ("mean", *(classes if len(classes) > 1 else ())):
                pairs = _pairs(measurements, arm, population, NONE, modality, name)
                if pairs.patients:
                    entries.append(
                        {
                            **_head(arm, population),
                            "modality": modality,
                            "class": name,
                            **estimate_difference(pairs.second, pairs.first),
                        }
                    )
    return entries


def rival_table(measurements: Measurements) -> list[dict[str, Any]]:
    """Tests GIN against every other augmentation of the same arm.

    Wilcoxon's signed-rank test over patients (Dice averaged over seeds, classes and training
    sites), corrected by Holm over the rivals, no augmentation included, of one arm and population;
    GIN's own variants are a second family.

    Args:
        measurements: The study's rows.

    Returns:
        One entry per arm, judged population and rival: the family ("rival" or "variant"), n
        patients, the means of GIN (`first`) and the rival (`second`), their difference with its
        interval, `p`, `p_holm` and the number of tests in the family.
    """
    entries = []
    for arm, population in _cells(measurements):
        others = [name for name in measurements.augmentations(arm) if name != GIN]
        for family, members in (
            ("rival", [name for name in others if name not in VARIANTS]),
            ("variant", [name for name in others if name in VARIANTS]),
        ):
            pairs = {
                name: found
                for name in members
                if (found := _pairs(measurements, arm, population, name, ALL, "mean")).patients
            }
            results = compare_family({name: (p.second, p.first) for name, p in pairs.items()})
            entries += [
                {**_head(arm, population), "family": family, "rival": name, **result}
                for name, result in results.items()
            ]
    return entries


def _cells(measurements: Measurements) -> list[tuple[Arm, Population]]:
    return [
        (arm, population)
        for arm in measurements.arms()
        for population in judged_populations(arm.regime)
    ]


def _pairs(
    measurements: Measurements,
    arm: Arm,
    population: Population,
    rival: str,
    modality: str,
    class_name: str,
) -> Pairs:
    """Pairs a rival (first) with GIN (second)."""
    first, second = (
        measurements.select(
            arm,
            augmentation,
            population=population.name,
            modality=None if modality == ALL else modality,
            class_name=None if class_name == "mean" else class_name,
        )
        for augmentation in (rival, GIN)
    )
    return paired_means(first, second)


def _head(arm: Arm, population: Population) -> dict[str, Any]:
    return {
        "regime": arm.regime,
        "algorithm": arm.algorithm,
        "arm": arm.label,
        "population": population.name,
        "seen": population.name == judged_populations(arm.regime)[0].name,
    }
