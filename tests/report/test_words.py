"""No sentence claims what its numbers do not show."""

from __future__ import annotations

from typing import Any

import pytest

from fedgin.report.study.words import (
    band_word,
    count_sentences,
    gain_sentence,
    ratio_sentence,
    rival_sentences,
    summary_words,
)
from fedgin.study.directions import least_corrected_p
from fedgin.study.wording import p_text

MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


def gain(difference: float, low: float | None, high: float | None, n: int = 24) -> dict[str, Any]:
    return {
        "arm": "local",
        "population": "training sites, other modality",
        "n": n,
        "difference": difference,
        "low": low,
        "high": high,
    }


def rival(
    name: str,
    difference: float,
    low: float | None,
    high: float | None,
    p: float | None,
    n: int = 24,
) -> dict[str, Any]:
    return {
        **gain(difference, low, high, n),
        "rival": name,
        "family": "rival",
        "p": p,
        "p_holm": p,
        "family_size": 3,
    }


def test_a_gain_is_said_with_its_numbers() -> None:
    assert gain_sentence(gain(0.41, 0.35, 0.47)).replace(SPACE, " ") == (
        "Training sites, other modality: GIN is above no augmentation by +0.410 Dice "
        "(95 % interval +0.350 to +0.470, n = 24 patients)."
    )


def test_a_loss_is_said_as_loudly() -> None:
    text = gain_sentence(gain(-0.1, -0.2, -0.05))
    assert "GIN is BELOW no augmentation" in text
    assert f"{MINUS}0.100" in text
    assert "above" not in text


@pytest.mark.parametrize("ends", [(-0.01, 0.2), (-0.2, 0.01), (0.0, 0.2), (-0.2, 0.0)])
@pytest.mark.parametrize("difference", [0.1, -0.1])
def test_an_interval_that_holds_zero_shows_nothing(
    ends: tuple[float, float], difference: float
) -> None:
    text = gain_sentence(gain(difference, *ends))
    assert "no difference between GIN and no augmentation is shown" in text
    assert "above" not in text
    assert "BELOW" not in text


@pytest.mark.parametrize(("p", "shown"), [(0.353, False), (0.05, False), (0.049, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_gain_needs_its_corrected_test_too(p: float, shown: bool, sign: int) -> None:
    ends = sorted((sign * 0.03, sign * 0.23))
    text = gain_sentence(gain(sign * 0.131, *ends) | {"p_holm": p, "family_size": 7})
    assert ("above" in text or "BELOW" in text) == shown
    assert ("no difference between GIN and no augmentation is shown" in text) != shown
    assert (f"but Holm p{SPACE}{p_text(p)}" in text) != shown


def test_the_summary_and_the_table_of_rivals_agree() -> None:
    from synthetic_study import AUGMENTATIONS, make_record, make_rows

    from fedgin.study.summary import summarize

    # Six patients and seven comparisons: Holm's smallest p is 7 / 32, whatever the interval.
    rows = make_rows(patients=3, grid={"centralized": AUGMENTATIONS})
    summary = summarize(rows, make_record(rows))
    (entry,) = (
        e
        for e in summary["gains"]
        if (e["population"], e["modality"]) == ("unseen hospitals", "all")
    )
    assert entry["low"] > 0
    sentences = [text for paragraph in summary_words(summary) for text in paragraph.sentences]
    assert any(
        text.startswith("Unseen hospitals: no difference between GIN and no augmentation is shown")
        for text in sentences
    )
    assert not any("GIN is above" in text for text in sentences if text.startswith("Unseen"))


def test_one_patient_proves_nothing() -> None:
    text = gain_sentence(gain(0.5, None, None, n=1))
    assert "one patient, no interval" in text
    assert "above" not in text


def test_rivals_are_sorted_by_what_the_tests_show() -> None:
    above, not_above, below = (
        rival("bezier", 0.1, 0.05, 0.15, 0.001),
        rival("fourier-mix", -0.02, -0.05, 0.01, 0.4),
        rival("fda", -0.2, -0.3, -0.1, 0.002),
    )
    first, second, third = rival_sentences([below, above, not_above])
    assert "GIN is above Bézier curves (+0.100" in first
    assert f"GIN is BELOW FDA square swap ({MINUS}0.200" in second
    assert f"GIN is NOT shown to be above Fourier mix ({MINUS}0.020" in third
    assert "Fourier" not in first + second


@pytest.mark.parametrize(
    "entry",
    [
        rival("bezier", 0.1, 0.05, 0.15, 0.2),
        rival("bezier", 0.1, 0.05, 0.15, 0.05),
        rival("bezier", 0.1, -0.05, 0.25, 0.001),
        rival("bezier", 0.1, None, None, 0.001),
        rival("bezier", 0.1, 0.05, 0.15, None),
        rival("bezier", -0.1, -0.15, -0.05, 0.2),
    ],
)
def test_test_and_interval_must_agree(entry: dict[str, Any]) -> None:
    (text,) = rival_sentences([entry])
    assert "GIN is NOT shown to be above" in text
    assert "BELOW" not in text


def test_too_few_patients_for_any_verdict_is_said() -> None:
    texts = rival_sentences([rival("bezier", 0.3, 0.2, 0.4, 0.1875, n=5)])
    assert any("no data could bring the smallest Holm p below 0.188" in text for text in texts)
    assert least_corrected_p(rival("bezier", 0.3, 0.2, 0.4, 0.1, n=5)) == 3 / 16
    assert len(rival_sentences([rival("bezier", 0.3, 0.2, 0.4, 0.001, n=16)])) == 1


def ratio(value: float, low: float | None, high: float | None) -> str:
    return ratio_sentence(
        {
            "algorithm": "fedavg",
            "modality": "CT",
            "population": "training sites",
            "n": 12,
            "ratio": value,
            "low": low,
            "high": high,
        }
    )


def test_the_ratio_is_set_against_the_band() -> None:
    assert "0.950" in ratio(0.95, 0.94, 0.97)
    assert "within the paper's band of 0.93 to 0.98." in ratio(0.95, 0.94, 0.97)
    assert "within" in ratio(0.95, 0.9, 0.97)
    assert "though the interval reaches below 0.93" in ratio(0.95, 0.9, 0.97)
    assert "below the paper's band" in ratio(0.92, 0.9, 0.97)
    assert "above the paper's band" in ratio(1.01, 0.99, 1.02)
    assert "one patient, no interval" in ratio_sentence(
        {
            "algorithm": "fedavg",
            "modality": "CT",
            "population": "training sites",
            "n": 1,
            "ratio": 0.95,
            "low": None,
            "high": None,
        }
    )
    assert band_word(None) == "no ratio"


def test_counts_need_both_sides() -> None:
    entry = {
        "arm": "local",
        "population": "training sites, other modality",
        "structures": 30,
        "not_annotated": 6,
        "missed": 2,
        "invented": 1,
    }
    assert count_sentences([{**entry, "augmentation": "gin"}]) == []
    (text,) = count_sentences(
        [{**entry, "augmentation": "gin"}, {**entry, "augmentation": "none", "missed": 9}]
    )
    assert "GIN misses 2 and invents 1 of 24" in text
    assert "no augmentation misses 9 and invents 1 of 24" in text


def test_p_values() -> None:
    assert p_text(None) == "none"
    assert p_text(0.0004).replace(SPACE, " ") == "< 0.001"
    assert p_text(0.25) == "0.250"
