"""The report of a run: failures in words, and a table that shows every round."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from fedgin.report.run_record import RunRecord, SiteMetrics, dice_of
from fedgin.report.run_table import render, to_json

MODALITY = {"site-1": "CT", "site-2": "CT", "site-3": "MR"}


def part(dice: float | None, **per_class: float | None) -> dict[str, Any]:
    return {"dice": dice, "per_class": per_class or {"heart": dice}, "cases": 4}


def reports(*dice: float | None) -> dict[str, SiteMetrics]:
    return {
        site: SiteMetrics(modality, part(value), part(None if value is None else value / 2))
        for (site, modality), value in zip(MODALITY.items(), dice, strict=False)
    }


def complete() -> RunRecord:
    return RunRecord(
        title="federated heart",
        planned_rounds=2,
        finished_rounds=2,
        sites=list(MODALITY),
        contributions={0: list(MODALITY), 1: list(MODALITY)},
        validation={
            0: reports(0.1, 0.3, 0.5),
            1: reports(0.7, 0.9, 0.6),
            2: reports(0.8, 0.6, 0.4),
        },
        final={"best": reports(0.7, 0.9, 0.6), "last": reports(0.8, 0.6, 0.4)},
        best_round=1,
        files={"Best model": "runs/best.pt"},
    )


def row(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.split("  ")[0] == start]
    return found


def test_a_complete_run_has_no_failures() -> None:
    assert complete().failures() == []
    assert "federated heart: complete" in render(complete())
    assert "FAILED" not in render(complete())


def lose_a_contribution(record: RunRecord) -> None:
    record.contributions[1].remove("site-2")


def lose_a_round(record: RunRecord) -> None:
    del record.contributions[1]
    record.finished_rounds = 1


def lose_an_evaluation(record: RunRecord) -> None:
    del record.final["last"]["site-3"]


def lose_the_final_models(record: RunRecord) -> None:
    record.final = {}


def lose_the_sites(record: RunRecord) -> None:
    record.sites = []


def note_a_problem(record: RunRecord) -> None:
    record.problems.append("the job was stopped: disk full")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lose_a_contribution, ["round 2: no contribution from site-2"]),
        (
            lose_a_round,
            [
                "round 2: no contribution from site-1, site-2, site-3",
                "1 of 2 rounds ended with an aggregation",
            ],
        ),
        (lose_an_evaluation, ["last model: no evaluation by site-3"]),
        (lose_the_final_models, ["no final model was evaluated"]),
        (lose_the_sites, ["no site took part"]),
        (note_a_problem, ["the job was stopped: disk full"]),
    ],
)
def test_every_failure_is_said_in_words(
    damage: Callable[[RunRecord], None], words: list[str]
) -> None:
    record = complete()
    damage(record)
    assert record.failures() == words
    text = render(record)
    assert "federated heart: FAILED" in text
    assert [line for line in text.splitlines() if line.startswith("FAILED: ")] == [
        f"FAILED: {line}" for line in words
    ]
    assert to_json(record)["failures"] == words


def test_a_record_of_nothing_is_a_failure_and_is_rendered() -> None:
    text = render(RunRecord(planned_rounds=3))
    assert "no site took part" in text
    assert "0 of 3 rounds" in text


def test_rounds_are_counted_from_the_first_round() -> None:
    record = complete()
    record.first_round = 5
    record.contributions = {5: list(MODALITY), 6: ["site-1", "site-3"]}
    assert record.failures() == ["round 7: no contribution from site-2"]


def test_every_round_has_a_row_and_the_best_a_star() -> None:
    text = render(complete())
    assert row(text, "0 (initial)").split()[2:] == ["-", "0.100", "0.300", "0.500", "0.350"]
    assert row(text, "1").split()[1:] == ["3", "of", "3", "0.700", "0.900", "0.600", "0.700", "*"]
    assert row(text, "2").split()[1:] == ["3", "of", "3", "0.800", "0.600", "0.400", "0.550"]
    assert "site-1 CT" in text
    assert "site-3 MR" in text
    assert "Best model: runs/best.pt" in text


def test_the_test_table_shows_every_model_and_the_number_of_patients() -> None:
    text = render(complete())
    assert row(text, "best").split()[1:] == ["0.350", "0.450", "0.300", "0.350"]
    assert row(text, "last").split()[1:] == ["0.400", "0.300", "0.200", "0.275"]
    assert "site-1 CT (4 patients)" in text


def test_what_is_missing_and_what_is_unknown_are_told_apart() -> None:
    record = complete()
    del record.validation[1]["site-2"]
    record.validation[1]["site-3"] = SiteMetrics("MR", part(None), None)
    assert row(render(record), "1").split()[4:] == ["0.700", "missing", "-", "0.700", "*"]


def test_several_classes_get_a_table_of_their_own() -> None:
    record = complete()
    for number, site in enumerate(record.final["best"].values()):
        site.test = part(0.5, liver=0.9 - number / 10, spleen=None)
    text = render(record)
    assert row(text, "liver").split()[1:] == ["0.900", "0.800", "0.700"]
    assert row(text, "spleen").split()[1:] == ["-", "-", "-"]


def test_the_record_is_json() -> None:
    plain = json.loads(json.dumps(to_json(complete()), allow_nan=False))
    assert plain["best_round"] == 1
    assert plain["validation"]["1"]["site-3"]["validation"]["dice"] == 0.6


def test_a_good_message_is_read() -> None:
    message = {"modality": "MR", "validation": part(0.5), "test": part(None)}
    metrics = SiteMetrics.from_message(message)
    assert metrics.modality == "MR"
    assert dice_of(metrics.validation) == 0.5
    assert dice_of(metrics.validation, "heart") == 0.5
    assert math.isnan(dice_of(metrics.validation, "spleen"))
    assert math.isnan(dice_of(metrics.test))
    assert math.isnan(dice_of(None))


@pytest.mark.parametrize(
    "message",
    [
        None,
        "modality",
        [],
        {},
        {"modality": "PET"},
        {"modality": "CT", "validation": 0.5},
        {"modality": "CT", "validation": {"dice": 0.5}},
        {"modality": "CT", "validation": {"dice": 0.5, "per_class": [0.5]}},
        {"modality": "CT", "validation": part(1.2)},
        {"modality": "CT", "validation": part(-0.1)},
        {"modality": "CT", "test": part(math.nan)},
        {"modality": "CT", "test": part(math.inf)},
        {"modality": "CT", "test": {"dice": "0.5", "per_class": {}}},
        {"modality": "CT", "test": {"dice": 0.5, "per_class": {"heart": "high"}}},
        {"modality": "CT", "test": {"dice": 0.5, "per_class": {1: 0.5}}},
        {"modality": "CT", "test": {"dice": 0.5, "per_class": {}, "cases": [1]}},
        {"modality": "CT", "test": {"dice": 0.5, "per_class": {}, "cases": -1}},
        {"modality": ["CT"], "test": None},
    ],
)
def test_a_message_of_another_form_is_refused(message: Any) -> None:
    with pytest.raises(ValueError, match=r"metrics|Dice"):
        SiteMetrics.from_message(message)


def test_who_holds_the_released_model_is_said() -> None:
    record = complete()
    record.released = "a" * 64
    record.receipts = dict.fromkeys(MODALITY, "a" * 64)
    assert record.failures() == []
    assert f"Released model {'a' * 16} held by site-1, site-2, site-3" in render(record)


def test_a_site_without_the_released_model_is_a_failure() -> None:
    record = complete()
    record.released = "a" * 64
    record.receipts = {"site-1": "a" * 64, "site-2": "b" * 64}
    assert record.failures() == [
        "released model: no receipt from site-3",
        f"released model: site-2 stored another file, hash {'b' * 16}",
    ]
    assert f"Released model {'a' * 16} held by site-1\n" in render(record)


def test_refusals_and_the_aggregation_are_shown() -> None:
    record = complete()
    assert "Refused" not in render(record)
    assert "Aggregation" not in render(record)  # as in a record of an older checkpoint
    record.aggregation = "median of each coordinate"
    record.refused = {1: {"site-3": "site-3 sent nan"}, 0: {"site-2": "b", "site-1": "a"}}
    lines = render(record).splitlines()
    assert [line for line in lines if line.startswith("Refused: ")] == [
        "Refused: round 1: a",
        "Refused: round 1: b",
        "Refused: round 2: site-3 sent nan",
    ]
    assert "Aggregation: median of each coordinate" in lines
    assert to_json(record)["refusals"] == record.refusals()
    assert to_json(record)["aggregation"] == record.aggregation


def partly(modality: str, lacking: tuple[str, ...], **per_class: float | None) -> SiteMetrics:
    known = [value for value in per_class.values() if value is not None]
    found = part(sum(known) / len(known), **per_class)
    return SiteMetrics(modality, found, found, not_annotated=lacking)


def partial_run() -> RunRecord:
    found = {
        "site-1": partly("CT", ("kidney",), liver=0.9, spleen=0.7, kidney=None),
        "site-2": partly("CT", ("spleen", "kidney"), liver=0.5, spleen=None, kidney=None),
        "site-3": partly("MR", ("liver", "spleen"), liver=None, spleen=None, kidney=0.4),
    }
    return RunRecord(
        sites=list(found),
        validation={0: found},
        final={"best": found},
        not_annotated={site: list(report.not_annotated) for site, report in found.items()},
    )


def test_a_class_that_a_site_does_not_annotate_is_shown_as_such() -> None:
    text = render(partial_run())
    cells = row(text, "kidney").split("  ")
    assert [cell.strip() for cell in cells if cell.strip()] == [
        "kidney",
        "not annotated",
        "not annotated",
        "0.400",
    ]
    content = to_json(partial_run())
    assert content["not_annotated"]["site-2"] == ["spleen", "kidney"]
    assert content["final"]["best"]["site-2"]["test"]["per_class"]["kidney"] is None


def test_the_score_takes_a_class_from_the_sites_that_annotate_it() -> None:
    record = partial_run()
    # CT: liver (0.9 + 0.5) / 2, spleen 0.7; MR: kidney 0.4. The mean of the sites' means is 0.525.
    assert record.score(record.validation[0]) == pytest.approx((0.7 + 0.4) / 2)


def test_a_site_that_withholds_its_classes_counts_by_its_mean() -> None:
    reports = dict(partial_run().validation[0])
    withheld = part(0.6, liver=None, spleen=None, kidney=None)
    reports["site-2"] = SiteMetrics("CT", withheld, None, not_annotated=("spleen", "kidney"))
    score = RunRecord().score(reports)
    assert score == pytest.approx(((0.9 + 0.6) / 2 + 0.7) / 2 / 2 + 0.4 / 2)


@pytest.mark.parametrize("lacking", ["liver", [3], ["liver"], ["x"] * 2000, {"liver": 1}])
def test_what_a_site_says_that_it_lacks_is_checked(lacking: Any) -> None:
    message = {"modality": "CT", "validation": part(0.5, liver=0.5), "not_annotated": lacking}
    with pytest.raises(ValueError, match="annotated"):
        SiteMetrics.from_message(message)
