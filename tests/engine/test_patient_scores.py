"""Scores by patient: hashes, several scans, the file, and what a server may know."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from fedgin.engine.evaluator import CaseDice, Evaluation
from fedgin.engine.patient_scores import (
    patient_scores,
    read_scores,
    summarise_scores,
    write_scores,
)
from fedgin.errors import DataError
from fedgin.metrics.case_scores import ClassScore
from fedgin.sites.pseudonyms import patient_hash


def case(patient: str, dice: float, *, scan: int = 0, status: str = "measured") -> CaseDice:
    scores = (
        ClassScore("heart", "dice", dice, status),  # type: ignore[arg-type]
        ClassScore("heart", "hd95", 10 * (1 - dice), status),  # type: ignore[arg-type]
    )
    return CaseDice(
        case=f"{patient}-{scan}",
        site="here",
        modality="MR",
        dice=np.array([dice]),
        patient=patient_hash("here", patient),
        scores=scores,
    )


def evaluation(*cases: CaseDice) -> Evaluation:
    return Evaluation(class_names=("heart",), cases=list(cases))


def test_scans_of_a_patient_are_averaged_and_the_worst_status_shown() -> None:
    scores = patient_scores(
        evaluation(case("anna", 0.8), case("bert", 0.5), case("anna", 0.0, scan=1, status="missed"))
    )
    assert len(scores) == 4
    anna = next(s for s in scores if s.patient == patient_hash("here", "anna"))
    assert anna.score.value == pytest.approx(0.4)
    assert anna.score.status == "missed"


def test_a_scan_without_value_does_not_count_in_the_mean() -> None:
    scores = patient_scores(
        evaluation(case("anna", 0.8), case("anna", math.nan, scan=1, status="absent"))
    )
    assert scores[0].score.value == pytest.approx(0.8)
    assert scores[0].score.status == "measured"


def test_the_file_gives_back_every_digit_and_is_for_the_user_alone(tmp_path: Path) -> None:
    scores = patient_scores(
        evaluation(case("anna", 1 / 3), case("bert", math.nan, status="not annotated"))
    )
    file = tmp_path / "scores" / "model.csv"
    write_scores(file, scores)
    assert str(read_scores(file)) == str(scores)  # nan differs from itself
    assert file.parent.stat().st_mode & 0o077 == 0
    assert "anna" not in file.read_text()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "site,modality\n",
        "site,modality,patient,class,metric,value,status\na,CT,0,heart,dice,much,measured\n",
        "site,modality,patient,class,metric,value,status\na,CT,0,heart,volume,1,measured\n",
        "site,modality,patient,class,metric,value,status\na,CT,0\n",
    ],
)
def test_a_damaged_file_is_refused_by_name(content: str, tmp_path: Path) -> None:
    file = tmp_path / "model.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=r"model\.csv"):
        read_scores(file)


def test_a_server_gets_counts_and_moments_and_no_patient() -> None:
    values = [0.31, 0.52, 0.97]
    scores = patient_scores(
        evaluation(
            *(case(f"p{number}", value) for number, value in enumerate(values)),
            case("p9", math.nan, status="absent"),
        )
    )
    summary = summarise_scores(scores)
    assert set(summary) == {"heart"}
    dice = summary["heart"]["dice"]
    assert dice["count"] == 3
    assert dice["mean"] == pytest.approx(np.mean(values))
    assert dice["sd"] == pytest.approx(np.std(values, ddof=1))
    assert dice["histogram"] == [0, 0, 0, 1, 0, 1, 0, 0, 0, 1]
    sent = json.dumps(summary)
    assert not any(score.patient in sent for score in scores)
    assert "0.31" not in sent
