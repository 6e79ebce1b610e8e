"""Scores by patient, and the file in which they stay in a site's own folder."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fedgin.engine.evaluator import CaseDice, Evaluation
from fedgin.errors import DataError, Problem
from fedgin.files import write_atomically
from fedgin.metrics.case_scores import ClassScore, Metric, Status
from fedgin.metrics.summary import EDGES, Summary, summarise

COLUMNS = ("site", "modality", "patient", "class", "metric", "value", "status")
# Of several scans of one patient the worst outcome is shown.
_WORST_FIRST: tuple[Status, ...] = ("missed", "invented", "measured", "absent", "not annotated")


@dataclass(frozen=True)
class PatientScore:
    """One metric of one class of one patient.

    Attributes:
        site: Site of the patient.
        modality: "CT" or "MR".
        patient: Hash of the patient, 12 hexadecimal digits.
        score: The value with its status; of several scans the mean, and the worst status.
    """

    site: str
    modality: str
    patient: str
    score: ClassScore


def patient_scores(evaluation: Evaluation) -> list[PatientScore]:
    """Lists an evaluation's scores by patient; scans of one patient are averaged."""
    scans: dict[tuple[str, str], list[CaseDice]] = {}
    for case in evaluation.cases:
        scans.setdefault((case.site, case.patient), []).append(case)
    return [
        PatientScore(
            site=site,
            modality=cases[0].modality,
            patient=patient,
            score=_join(list(scores)),
        )
        for (site, patient), cases in scans.items()
        for scores in zip(*(case.scores for case in cases), strict=True)
    ]


def _join(scores: Sequence[ClassScore]) -> ClassScore:
    values = [score.value for score in scores if not math.isnan(score.value)]
    return ClassScore(
        class_name=scores[0].class_name,
        metric=scores[0].metric,
        value=math.fsum(values) / len(values) if values else math.nan,
        status=min((score.status for score in scores), key=_WORST_FIRST.index),
    )


def summarise_scores(scores: Sequence[PatientScore]) -> dict[str, dict[str, Summary]]:
    """Summarises patients by class and metric: all that a server may know of them."""
    values: dict[str, dict[str, list[float]]] = {}
    for row in scores:
        score = row.score
        found = values.setdefault(score.class_name, {}).setdefault(score.metric, [])
        if not math.isnan(score.value):
            found.append(score.value)
    return {
        class_name: {
            metric: summarise(numbers, edges=EDGES[metric]) for metric, numbers in metrics.items()
        }
        for class_name, metrics in values.items()
    }


def write_scores(path: Path, scores: Sequence[PatientScore]) -> None:
    """Writes scores as CSV, whole or not at all; its folder is made, for the user alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in scores:
        score = row.score
        value = "" if math.isnan(score.value) else repr(float(score.value))
        cells = (score.class_name, score.metric, value, score.status)
        writer.writerow([row.site, row.modality, row.patient, *cells])
    write_atomically(path, text.getvalue().encode())


def read_scores(path: Path) -> list[PatientScore]:
    """Reads what `write_scores` wrote.

    Raises:
        DataError: The file is missing or of another form.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        if tuple(lines[0]) != COLUMNS:
            raise ValueError(f"columns {lines[0]}")
        return [_parse(cells) for cells in lines[1:]]
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            Problem(
                str(path),
                f"a site's scores are a CSV file with the columns {','.join(COLUMNS)}",
                str(error),
                "run the evaluation again",
            )
        ) from None


def _parse(cells: Sequence[str]) -> PatientScore:
    site, modality, patient, class_name, metric_name, value, status_name = cells
    metrics: dict[str, Metric] = {name: name for name in get_args(Metric)}
    statuses: dict[str, Status] = {name: name for name in get_args(Status)}
    if metric_name not in metrics or status_name not in statuses:
        raise ValueError(f"metric {metric_name!r}, status {status_name!r}")
    score = ClassScore(
        class_name=class_name,
        metric=metrics[metric_name],
        value=float(value) if value else math.nan,
        status=statuses[status_name],
    )
    return PatientScore(site=site, modality=modality, patient=patient, score=score)
