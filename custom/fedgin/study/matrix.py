"""The cross-modality matrix: train modality x test modality x class, local training, Dice."""

from __future__ import annotations

from typing import Any

from fedgin.study.arms import Arm, Measurements
from fedgin.study.estimates import estimate_mean
from fedgin.study.patients import patient_means
from fedgin.study.rows import MODALITIES, Row

LOCAL = Arm("local", "")
MEAN = "mean"
# Columns of the matrix by whether the modality changes; each is a population of the local regime.
COLUMNS = {
    False: ("own site", "other training site, same modality", "unseen hospitals, same modality"),
    True: ("training sites, other modality", "unseen hospitals, other modality"),
}


def matrix_table(measurements: Measurements, classes: list[str]) -> list[dict[str, Any]]:
    """Computes the matrix.

    Args:
        measurements: The study's rows.
        classes: The task's structures.

    Returns:
        One entry per augmentation, train modality, test modality, population and class ("mean" is
        the mean over classes): n patients, mean Dice over patients (each averaged over seeds and
        over the training sites of that modality) with its interval, the runs behind it, and its
        status: "measured", "not annotated" (at no site of this population) or "absent".
    """
    entries = []
    for augmentation in measurements.augmentations(LOCAL):
        for trained in MODALITIES:
            for tested in MODALITIES:
                for population in COLUMNS[trained != tested]:
                    rows = [
                        row
                        for row in measurements.select(
                            LOCAL, augmentation, population=population, modality=tested
                        )
                        if measurements.train_modality(row) == trained
                    ]
                    head = {
                        "augmentation": augmentation,
                        "train_modality": trained,
                        "test_modality": tested,
                        "population": population,
                    }
                    entries += [head | entry for entry in _entries(rows, classes)]
    return entries


def _entries(rows: list[Row], classes: list[str]) -> list[dict[str, Any]]:
    if not rows:
        return []
    entries = [_entry(MEAN, rows)]
    for name in classes if len(classes) > 1 else ():
        entries.append(_entry(name, [row for row in rows if row.class_name == name]))
    return entries


def _entry(class_name: str, rows: list[Row]) -> dict[str, Any]:
    values = list(patient_means(rows).values())
    return {
        "class": class_name,
        "status": _status(rows, values),
        "runs": len({(row.train_sites, row.seed) for row in rows}),
        **estimate_mean(values),
    }


def _status(rows: list[Row], values: list[float]) -> str:
    if values:
        return "measured"
    if rows and all(row.status == "not annotated" for row in rows):
        return "not annotated"
    return "absent" if rows else "not measured"
