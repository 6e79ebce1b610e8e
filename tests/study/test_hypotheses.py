"""The verdicts follow the numbers, whichever way these point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from synthetic_study import SKILL, make_record, make_rows

from fedgin.study.hypotheses import MET, NOT_MET, UNJUDGED, interval, judge, signed
from fedgin.study.rows import Row
from fedgin.study.summary import summarize

HEART_GAIN, HEART_RIVALS, FEDERATED, CENTRALIZED, RATIO = range(5)
PANCREAS = 0  # the abdomen's own comes first
GRID = {
    "local": ("none", "bezier", "gin"),
    "centralized": ("none", "gin"),
    "federated": ("none", "gin"),
}

LOCAL = {"local": GRID["local"]}


def study(
    *, task: str = "heart", seeds: int = 1, grid: dict[str, Any] | None = None, **skill: float
) -> dict[str, Any]:
    rows = make_rows(
        classes=("heart",) if task == "heart" else ("liver", "pancreas"),
        seeds=range(seeds),
        patients=4,
        grid=GRID if grid is None else grid,
        skill={**SKILL, **skill},
    )
    return summarize(rows, make_record(rows, task=task))


def verdict(summary: dict[str, Any], number: int) -> str:
    return str(judge(summary)[number]["verdict"])


@pytest.mark.parametrize(
    ("gin", "expected"), [(0.7, MET), (0.42, MET), (0.35, NOT_MET), (0.1, NOT_MET)]
)
def test_heart_gain_needs_fifteen_hundredths(gin: float, expected: str) -> None:
    assert verdict(study(gin=gin, grid=LOCAL), HEART_GAIN) == expected


@pytest.mark.parametrize(("gin", "expected"), [(0.6, MET), (0.5, NOT_MET)])
def test_one_rival_above_gin_is_enough(gin: float, expected: str) -> None:
    found = judge(study(gin=gin, grid=LOCAL))[HEART_RIVALS]
    assert found["verdict"] == expected
    assert ("bezier (\N{MINUS SIGN}" in found["evidence"]) == (expected == NOT_MET)


@pytest.mark.parametrize(
    ("none", "gin", "expected"),
    [(0.2, 0.7, MET), (0.4, 0.6, NOT_MET), (0.12, 0.16, NOT_MET), (0.6, 0.2, NOT_MET)],
)
def test_pancreas_must_double_and_gain_a_tenth(none: float, gin: float, expected: str) -> None:
    found = study(task="abdomen", grid=LOCAL, none=none, gin=gin)
    assert verdict(found, PANCREAS) == expected
    assert not any("every rival" in entry["hypothesis"] for entry in judge(found))


def unseen(rows: list[Row], difference: list[float]) -> dict[str, Any]:
    """A study whose GIN differs from none by these numbers on its unseen patients."""
    patients = sorted({r.patient for r in rows if r.role == "unseen"})
    change = dict(zip(patients, difference, strict=True))
    changed = [
        replace(r, value=0.5 + change[r.patient] * (r.augmentation == "gin"))
        if r.role == "unseen" and r.metric == "dice"
        else r
        for r in rows
    ]
    return summarize(changed, make_record(changed))


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ([0.1, 0.12, 0.09, 0.11], MET),
        ([-0.1, -0.12, -0.09, -0.11], NOT_MET),
        ([0.2, -0.2, 0.1, -0.05], NOT_MET),
    ],
)
@pytest.mark.parametrize(
    ("regime", "number"), [("federated", FEDERATED), ("centralized", CENTRALIZED)]
)
def test_an_unseen_gain_needs_an_interval_above_zero(
    difference: list[float], expected: str, regime: str, number: int
) -> None:
    rows = make_rows(patients=2, grid={regime: ("none", "gin")})
    summary = unseen(rows, difference)
    assert verdict(summary, number) == expected
    assert verdict(summary, FEDERATED + CENTRALIZED - number) == UNJUDGED


def test_the_ratio_needs_three_seeds_to_be_met_and_one_to_fail() -> None:
    both = dict.fromkeys(("centralized", "federated"), ("gin",))
    one, three = study(seeds=1, grid=both), study(seeds=3, grid=both)
    assert verdict(one, RATIO) == UNJUDGED
    assert "1 of 3 seeds" in judge(one)[RATIO]["evidence"]
    assert verdict(three, RATIO) == MET
    for entry in one["ratios"]:
        if entry["modality"] == "MR":
            entry["ratio"] = 0.9299
    assert verdict(one, RATIO) == NOT_MET


def test_what_was_not_run_is_not_judged() -> None:
    found = study(grid={"local": ("gin",)})
    assert {h["verdict"] for h in judge(found)} == {UNJUDGED}


def test_numbers_in_words() -> None:
    assert signed(0.0123) == "+0.012"
    assert signed(-0.5) == "\N{MINUS SIGN}0.500"
    assert signed(-0.0001) == "0.000"
    assert interval({"n": 1, "low": None, "high": None}) == "one patient, no interval"
    text = interval({"n": 3, "low": -0.1, "high": 0.2}, difference=True)
    assert text.replace("\N{NO-BREAK SPACE}", " ") == (
        "95 % interval \N{MINUS SIGN}0.100 to +0.200, n = 3 patients"
    )
