"""What the study was to show, fixed beforehand, and whether its numbers show it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fedgin.report.study.labels import augmentation_label
from fedgin.study.arms import Arm
from fedgin.study.comparisons import GIN, NONE, VARIANTS
from fedgin.study.directions import direction, tested_direction, too_few
from fedgin.study.matrix import LOCAL
from fedgin.study.missing import (
    federated_arms,
    measured_augmentations,
    missing_patients,
    missing_runs,
)
from fedgin.study.ratios import CENTRALIZED, PAPER_BAND
from fedgin.study.rows import AUGMENTATIONS, MODALITIES
from fedgin.study.wording import SPACE, interval, p_text, signed

MET = "met"
NOT_MET = "not met"
UNJUDGED = "cannot be judged from this grid"

HEART_GAIN = 0.15
PANCREAS_FACTOR = 2.0
PANCREAS_GAIN = 0.10
RATIO_SEEDS = 3
FAMILY_CROSSING = "training sites, other modality"
UNSEEN = "unseen hospitals"
TRAINING = "training sites"
RIVALS = tuple(name for name in AUGMENTATIONS if name not in (NONE, GIN, *VARIANTS))

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """A hypothesis and what became of it.

    Attributes:
        hypothesis: What was expected.
        verdict: "met", "not met" or "cannot be judged from this grid".
        evidence: The number, or what is missing.
    """

    hypothesis: str
    verdict: str
    evidence: str


def judge(summary: Summary) -> list[dict[str, str]]:
    """Judges every hypothesis by a study's summary; federated ones once per algorithm.

    Args:
        summary: The tables of `fedgin.study.summary`.
    """
    judges: list[tuple[str, Callable[[Summary], tuple[str, str]]]] = []
    if summary["task"] == "heart":
        judges += [
            (
                "Local training, patients of the other modality: GIN above no augmentation by at "
                f"least {HEART_GAIN:.2f} Dice on average",
                _heart_gain,
            ),
            (
                "Local training, patients of the other modality: GIN at or above every rival's "
                "mean Dice",
                _heart_rivals,
            ),
        ]
    if summary["task"] == "abdomen":
        judges.append(
            (
                "Local training, pancreas, patients of the other modality: GIN at least doubles "
                f"the Dice of no augmentation and adds at least {PANCREAS_GAIN:.2f}, in one "
                "direction",
                _pancreas,
            )
        )
    federated = federated_arms(summary)
    judges += [
        (
            f"{arm.label.capitalize()} training, unseen hospitals: GIN's gain over no augmentation "
            "is above zero",
            functools.partial(_unseen_gain, arm=arm),
        )
        for arm in (*federated, CENTRALIZED)
    ]
    judges += [
        (
            f"{arm.label.capitalize()} GIN at least {PAPER_BAND[0]:.2f} of centralized GIN on each "
            f"modality's test patients, {RATIO_SEEDS} seeds",
            functools.partial(_ratio, arm=arm),
        )
        for arm in federated
    ]
    return [asdict(Verdict(text, *judge_one(summary))) for text, judge_one in judges]


def _heart_gain(summary: Summary) -> tuple[str, str]:
    gain = _find(summary["gains"], arm=LOCAL, population=FAMILY_CROSSING)
    if gain is None:
        return UNJUDGED, _why_no_gain(summary, LOCAL, FAMILY_CROSSING)
    found = f"{signed(gain['difference'])} ({interval(gain, difference=True)})"
    if gain["low"] is None:
        return UNJUDGED, found
    return (MET if gain["difference"] >= HEART_GAIN else NOT_MET), found


def _heart_rivals(summary: Summary) -> tuple[str, str]:
    rivals = [
        entry
        for entry in summary["rivals"]
        if entry["regime"] == "local"
        and entry["population"] == FAMILY_CROSSING
        and entry["rival"] in RIVALS
    ]
    if not rivals:
        return UNJUDGED, _why_no_rival(summary)
    best = max(rivals, key=lambda entry: entry["second"])
    found = (
        f"GIN {best['first']:.3f}, best of the {len(rivals)} of {len(RIVALS)} rivals run: "
        f"{augmentation_label(best['rival'])} {best['second']:.3f}"
    )
    if best["low"] is None:
        return UNJUDGED, f"{found} ({interval(best)})"
    if above := [entry for entry in rivals if entry["difference"] < 0]:
        names = ", ".join(
            f"{augmentation_label(e['rival'])} ({signed(e['difference'])})" for e in above
        )
        return NOT_MET, f"GIN minus rival is below zero for {names}; {found}"
    # One that was not run could still be above.
    return (MET if len(rivals) == len(RIVALS) else UNJUDGED), found


def _pancreas(summary: Summary) -> tuple[str, str]:
    gains = {
        modality: gain
        for modality in MODALITIES
        if (
            gain := _find(
                summary["gains"],
                arm=LOCAL,
                population=FAMILY_CROSSING,
                modality=modality,
                class_name="pancreas",
            )
        )
    }
    if not gains:
        if missing := missing_runs(summary, LOCAL, (NONE, GIN)):
            return UNJUDGED, "; ".join(missing)
        return UNJUDGED, "no pancreas was measured with GIN and without augmentation"
    found = "; ".join(
        f"{_other(modality)} to {modality}: {gain['second']:.3f} to {gain['first']:.3f} "
        f"({signed(gain['difference'])}, {interval(gain, difference=True)})"
        for modality, gain in gains.items()
    )
    judged = [gain for gain in gains.values() if gain["low"] is not None]
    if any(
        gain["first"] >= PANCREAS_FACTOR * gain["second"] and gain["difference"] >= PANCREAS_GAIN
        for gain in judged
    ):
        return MET, found
    if len(gains) < len(MODALITIES):
        return UNJUDGED, f"one direction is missing; {found}"
    return (NOT_MET if len(judged) == len(gains) else UNJUDGED), found


def _unseen_gain(summary: Summary, *, arm: Arm) -> tuple[str, str]:
    gain = _find(summary["gains"], arm=arm, population=UNSEEN)
    if gain is None:
        return UNJUDGED, _why_no_gain(summary, arm, UNSEEN)
    found = f"{signed(gain['difference'])} ({interval(gain, difference=True)})"
    if gain["low"] is None:
        return UNJUDGED, found
    if direction(gain) != tested_direction(gain):
        found += f"; no difference is shown: Holm p{SPACE}{p_text(gain['p_holm'])}"
    if too_few(gain):
        return UNJUDGED, f"{found}; no data of so few patients could bring Holm's p below 0.05"
    return (MET if tested_direction(gain) == 1 else NOT_MET), found


def _ratio(summary: Summary, *, arm: Arm) -> tuple[str, str]:
    ratios = {
        modality: entry
        for modality in MODALITIES
        if (
            entry := _find(
                summary["ratios"],
                arm=arm,
                augmentation=GIN,
                population=TRAINING,
                modality=modality,
            )
        )
        and entry["ratio"] is not None
    }
    found = "; ".join(
        f"{modality} {entry['ratio']:.3f} ({interval(entry)})" for modality, entry in ratios.items()
    )
    if len(ratios) < len(MODALITIES):
        missing = _why_no_ratio(summary, arm, [name for name in MODALITIES if name not in ratios])
        return UNJUDGED, "; ".join(filter(None, (found, missing)))
    if any(entry["low"] is None for entry in ratios.values()):
        return UNJUDGED, found
    if any(entry["ratio"] < PAPER_BAND[0] for entry in ratios.values()):
        return NOT_MET, found
    seeds = min(entry["seeds"] for entry in ratios.values())
    if seeds < RATIO_SEEDS:
        return UNJUDGED, f"{seeds} of {RATIO_SEEDS} seeds; so far {found}"
    return MET, found


def _why_no_gain(summary: Summary, arm: Arm, population: str) -> str:
    pair = (GIN, NONE)
    missing = missing_runs(summary, arm, pair)
    return "; ".join(missing) or missing_patients(summary, arm, pair, population=population)


def _why_no_rival(summary: Summary) -> str:
    ran = [name for name in RIVALS if name in measured_augmentations(summary, LOCAL)]
    missing = missing_runs(summary, LOCAL, (GIN,))
    if not ran:
        missing.append("local training with a rival was not run")
    return "; ".join(missing) or missing_patients(
        summary, LOCAL, (GIN, ran[0]), population=FAMILY_CROSSING
    )


def _why_no_ratio(summary: Summary, arm: Arm, modalities: Sequence[str]) -> str:
    missing = [text for one in (arm, CENTRALIZED) for text in missing_runs(summary, one, (GIN,))]
    if missing:
        return "; ".join(missing)
    over_zero = any(
        _find(summary["ratios"], arm=arm, augmentation=GIN, population=TRAINING, modality=modality)
        for modality in modalities
    )
    if over_zero:
        return f"centralized GIN's Dice on {' and '.join(modalities)} patients is 0"
    return f"no {' or '.join(modalities)} patient of the training sites was measured by both"


def _other(modality: str) -> str:
    return next(name for name in MODALITIES if name != modality)


def _find(
    table: Sequence[Mapping[str, Any]],
    *,
    arm: Arm,
    modality: str = "all",
    class_name: str = "mean",
    **wanted: str,
) -> Mapping[str, Any] | None:
    """Returns an arm's entry of a table that has these values."""
    for entry in table:
        if (
            entry["modality"] == modality
            and entry["class"] == class_name
            and entry["arm"] == arm.label
            and all(entry[key] == value for key, value in wanted.items())
        ):
            return entry
    return None
