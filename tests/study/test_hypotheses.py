"""The verdicts follow the numbers, whichever way these point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from synthetic_study import SKILL, make_record, make_rows

from fedgin.study.hypotheses import MET, NOT_MET, UNJUDGED, judge
from fedgin.study.rows import AUGMENTATIONS, Row
from fedgin.study.summary import summarize
from fedgin.study.wording import interval, signed

HEART_GAIN, HEART_RIVALS, FEDERATED, CENTRALIZED, RATIO = range(5)
UNSEEN = "unseen hospitals"
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


@pytest.mark.parametrize(("gin", "expected"), [(0.7, MET), (0.5, NOT_MET)])
def test_one_rival_above_gin_is_enough(gin: float, expected: str) -> None:
    found = judge(study(gin=gin, grid={"local": AUGMENTATIONS}))[HEART_RIVALS]
    assert found["verdict"] == expected
    assert ("Bézier curves (\N{MINUS SIGN}" in found["evidence"]) == (expected == NOT_MET)
    assert "of the 6 of 6 rivals run" in found["evidence"]


@pytest.mark.parametrize(("gin", "expected"), [(0.7, UNJUDGED), (0.5, NOT_MET)])
def test_above_every_rival_needs_every_rival(gin: float, expected: str) -> None:
    found = judge(study(gin=gin, grid={"local": ("none", "fourier-mix", "gin")}))[HEART_RIVALS]
    assert found["verdict"] == expected
    assert "best of the 1 of 6 rivals run: Fourier mix 0.5" in found["evidence"]


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
        ([0.1, 0.12, 0.09, 0.11, 0.13, 0.08], MET),
        ([-0.1, -0.12, -0.09, -0.11, -0.13, -0.08], NOT_MET),
        ([0.2, -0.2, 0.1, -0.05, 0.1, -0.15], NOT_MET),
    ],
)
@pytest.mark.parametrize(
    ("regime", "number"), [("federated", FEDERATED), ("centralized", CENTRALIZED)]
)
def test_an_unseen_gain_needs_an_interval_above_zero(
    difference: list[float], expected: str, regime: str, number: int
) -> None:
    rows = make_rows(patients=3, grid={regime: ("none", "gin")})
    summary = unseen(rows, difference)
    assert verdict(summary, number) == expected
    assert verdict(summary, FEDERATED + CENTRALIZED - number) == UNJUDGED


def test_an_unseen_gain_that_no_test_could_show_is_not_judged() -> None:
    rows = make_rows(patients=2, grid={"federated": ("none", "gin")})
    found = judge(unseen(rows, [0.1, 0.12, 0.09, 0.11]))[FEDERATED]
    assert found["verdict"] == UNJUDGED
    assert "no difference is shown: Holm p\N{NO-BREAK SPACE}0.125" in found["evidence"]


def test_an_unseen_gain_that_the_corrected_test_does_not_show_is_not_met() -> None:
    rows = make_rows(patients=3, grid={"federated": ("none", "gin")})
    summary = unseen(rows, [0.3, 0.28, 0.26, 0.24, 0.22, -0.01])
    (gain,) = (g for g in summary["gains"] if (g["population"], g["modality"]) == (UNSEEN, "all"))
    assert gain["low"] > 0
    assert gain["p_holm"] == pytest.approx(2 * 2 / 2**6)  # of 2^6 signs two are as extreme a side
    found = judge(summary)[FEDERATED]
    assert found["verdict"] == NOT_MET
    assert "no difference is shown: Holm p\N{NO-BREAK SPACE}0.062" in found["evidence"]


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


def algorithm(rows: list[Row], name: str) -> list[Row]:
    """The same study, federated by another algorithm."""
    return [replace(r, algorithm=name) if r.algorithm else r for r in rows]


def evidence(rows: list[Row], number: int, **changes: Any) -> str:
    record = make_record(rows) | changes
    return judge(summarize(rows, record))[number]["evidence"]


def test_other_algorithms_are_judged_and_named() -> None:
    grid = {"centralized": ("none", "gin"), "federated": ("none", "gin")}
    rows = algorithm(make_rows(patients=3, seeds=range(3), grid=grid), "fedbn")
    found = {h["hypothesis"]: h["verdict"] for h in judge(summarize(rows, make_record(rows)))}
    (unseen_text,) = (text for text in found if text.startswith("Federated (fedbn) training"))
    (ratio_text,) = (text for text in found if text.startswith("Federated (fedbn) GIN at least"))
    assert found[unseen_text] != UNJUDGED
    assert found[ratio_text] != UNJUDGED
    assert not any(text.startswith("Federated training") for text in found)


def test_two_algorithms_have_a_verdict_each() -> None:
    rows = make_rows(patients=3, grid={"federated": ("none", "gin")})
    both = [*rows, *algorithm(rows, "scaffold")]
    texts = [h["hypothesis"] for h in judge(summarize(both, make_record(both)))]
    assert sum("training, unseen hospitals" in text for text in texts) == 3
    assert sum("of centralized GIN" in text for text in texts) == 2


def test_what_is_missing_is_what_is_named() -> None:
    rows = algorithm(
        make_rows(patients=2, grid={"federated": ("gin", "fda"), "centralized": ("gin",)}), "fedbn"
    )
    text = evidence(rows, FEDERATED)
    assert text == "federated (fedbn) training without augmentation was not run"
    assert evidence(rows, HEART_GAIN) == (
        "local training with GIN was not run; local training without augmentation was not run"
    )
    rows = [r for r in rows if r.regime == "federated"]
    assert evidence(rows, RATIO) == "centralized training with GIN was not run"


def test_a_run_that_failed_was_run() -> None:
    rows = make_rows(patients=2, grid={"local": ("none", "gin")})
    record = make_record(rows, failed=0)
    for run in record["runs"]:
        if run["augmentation"] == "gin":
            run["status"] = "failed"
    left = [r for r in rows if r.augmentation != "gin"]
    found = judge(summarize(left, record))[HEART_GAIN]
    assert found["evidence"] == "local training with GIN has not finished"


@pytest.mark.parametrize("number", [HEART_GAIN, HEART_RIVALS])
def test_sites_of_one_modality_are_said_to_lack_the_other(number: int) -> None:
    rows = [
        r
        for r in make_rows(patients=2, grid=LOCAL)
        if r.train_sites.startswith("ct") and r.test_site.startswith("ct")
    ]
    assert evidence(rows, number) == (
        'local training was run, but no patient of "training sites, other modality" was measured'
    )


@pytest.mark.parametrize("number", [HEART_GAIN, HEART_RIVALS, CENTRALIZED, RATIO])
def test_a_single_patient_is_not_judged(number: int) -> None:
    grid = {**GRID, "local": AUGMENTATIONS}
    rows = make_rows(patients=1, seeds=range(3), grid=grid)
    # One patient per population that is judged.
    kept = {"ct-arterial", "ct-late", "mr-bssfp"}
    rows = [r for r in rows if r.test_site in kept]
    rows = [r for r in rows if r.regime != "local" or r.train_sites.startswith("mr")]
    found = judge(summarize(rows, make_record(rows)))[number]
    assert found["verdict"] == UNJUDGED
    assert "one patient, no interval" in found["evidence"]


def test_numbers_in_words() -> None:
    assert signed(0.0123) == "+0.012"
    assert signed(-0.5) == "\N{MINUS SIGN}0.500"
    assert signed(-0.0001) == "0.000"
    assert interval({"n": 1, "low": None, "high": None}) == "one patient, no interval"
    text = interval({"n": 3, "low": -0.1, "high": 0.2}, difference=True)
    assert text.replace("\N{NO-BREAK SPACE}", " ") == (
        "95 % interval \N{MINUS SIGN}0.100 to +0.200, n = 3 patients"
    )
