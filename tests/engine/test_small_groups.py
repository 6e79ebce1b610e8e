"""Figures by class of few patients stay at the site, and follow from nothing that is sent."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from fedgin.engine.evaluator import CaseDice, Evaluation
from fedgin.engine.patient_scores import patient_scores, summarise_scores
from fedgin.engine.small_groups import Reported, report_groups
from fedgin.metrics.case_scores import ClassScore
from fedgin.report.run_record import SiteMetrics

CLASSES = ("liver", "spleen", "pancreas")


def evaluation(table: list[list[float]], *, patients: list[str] | None = None) -> Evaluation:
    """One row per scan, one column per class; nan where a class is absent."""
    names = patients or [f"p{number}" for number in range(len(table))]
    cases = [
        CaseDice(
            case=f"scan{number}",
            site="here",
            modality="CT",
            dice=np.array(row),
            patient=name,
            scores=tuple(
                ClassScore(c, "dice", v, "absent" if math.isnan(v) else "measured")
                for c, v in zip(CLASSES, row, strict=True)
            ),
        )
        for number, (row, name) in enumerate(zip(table, names, strict=True))
    ]
    return Evaluation(class_names=CLASSES, cases=cases)


def report(found: Evaluation, smallest: int) -> Reported:
    return report_groups(
        per_class=found.per_class(),
        patients=found.patients_per_class(),
        summary=summarise_scores(patient_scores(found)),
        smallest=smallest,
    )


def table(patients: int, *, without_last: int = 0) -> list[list[float]]:
    """Random Dice; `without_last` patients have no pancreas."""
    values = np.random.default_rng(patients).uniform(0.1, 0.9, (patients, 3))
    values[patients - without_last :, 2] = np.nan
    return [list(map(float, row)) for row in values]


def test_four_patients_are_not_reported_by_class_and_five_are() -> None:
    four, five = report(evaluation(table(4)), 5), report(evaluation(table(5)), 5)
    assert set(four.per_class.values()) == {None}
    assert four.withheld == CLASSES
    assert all(not parts for parts in four.summary.values())
    assert five.withheld == ()
    assert five.per_class == pytest.approx(evaluation(table(5)).per_class())
    assert five.summary["liver"]["dice"]["count"] == 5


def test_nothing_is_left_out_of_phantoms() -> None:
    found = evaluation(table(1))
    reported = report(found, 1)
    assert reported.withheld == ()
    assert reported.per_class == pytest.approx(found.per_class())


def test_a_class_that_is_left_out_does_not_follow_from_the_mean() -> None:
    found = evaluation(table(8, without_last=5))  # three patients have a pancreas
    reported = report(found, 5)
    assert reported.withheld == ("pancreas",)
    told = [value for value in reported.per_class.values() if value is not None]
    assert reported.dice == pytest.approx(np.mean(told))
    assert reported.dice != pytest.approx(found.mean())


def test_the_mean_stays_where_no_class_is_reported() -> None:
    found = evaluation(table(3))
    assert report(found, 5).dice == pytest.approx(found.mean())


def test_scans_of_a_patient_count_once() -> None:
    found = evaluation(table(6), patients=["a", "a", "a", "b", "c", "d"])
    assert found.patients_per_class() == dict.fromkeys(CLASSES, 4)
    assert report(found, 5).withheld == CLASSES


def test_an_unknown_class_is_not_called_withheld() -> None:
    reported = report(evaluation(table(6, without_last=6)), 5)
    assert reported.withheld == ()
    assert reported.per_class["pancreas"] is None


def test_no_value_of_few_patients_stands_in_the_message_and_the_server_reads_it() -> None:
    rows = table(3)
    message: dict[str, Any] = {**report(evaluation(rows), 5).message(), "cases": 3}
    text = json.dumps(message, allow_nan=False)
    values = [value for row in rows for value in row]
    columns = np.array(rows)
    values += [*columns.mean(axis=0), *columns.std(axis=0, ddof=1)]
    assert not [value for value in values if f"{value:.6f}"[:8] in text]
    metrics = SiteMetrics.from_message({"modality": "CT", "validation": message, "test": message})
    assert metrics.test == message
