"""What the study was to show, fixed beforehand, and whether its numbers show it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fedgin.study.ratios import PAPER_BAND
from fedgin.study.rows import MODALITIES

MET = "met"
NOT_MET = "not met"
UNJUDGED = "cannot be judged from this grid"
SPACE = "\N{NO-BREAK SPACE}"

HEART_GAIN = 0.15
PANCREAS_FACTOR = 2.0
PANCREAS_GAIN = 0.10
RATIO_SEEDS = 3
FAMILY_CROSSING = "training sites, other modality"

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
    """Judges every hypothesis by a study's summary.

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
    judges += [
        (
            f"{regime.capitalize()} training, unseen hospitals: GIN's gain over no augmentation is "
            "above zero",
            functools.partial(_unseen_gain, regime=regime),
        )
        for regime in ("federated", "centralized")
    ]
    judges.append(
        (
            f"Federated GIN at least {PAPER_BAND[0]:.2f} of centralized GIN on each modality's "
            f"test patients, {RATIO_SEEDS} seeds",
            _ratio,
        )
    )
    return [asdict(Verdict(text, *judge_one(summary))) for text, judge_one in judges]


def signed(value: float, digits: int = 3) -> str:
    """Writes a difference with its sign, a true minus included."""
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def interval(entry: Mapping[str, Any], *, difference: bool = False) -> str:
    """Writes n and the 95 % interval of an entry, or why there is none."""
    n = entry["n"]
    if entry.get("low") is None or entry.get("high") is None:
        return "one patient, no interval" if n == 1 else f"no interval, {count(n)}"
    low, high = (
        signed(entry[key]) if difference else f"{entry[key]:.3f}" for key in ("low", "high")
    )
    return f"95{SPACE}% interval {low} to {high}, {count(n)}"


def count(n: int) -> str:
    """Writes a number of patients that no line break tears apart."""
    return f"n{SPACE}={SPACE}{n}{SPACE}patients"


def _heart_gain(summary: Summary) -> tuple[str, str]:
    gain = _find(summary["gains"], regime="local", population=FAMILY_CROSSING)
    if gain is None:
        return UNJUDGED, "local training with GIN and without augmentation was not run"
    found = f"{signed(gain['difference'])} ({interval(gain, difference=True)})"
    return (MET if gain["difference"] >= HEART_GAIN else NOT_MET), found


def _heart_rivals(summary: Summary) -> tuple[str, str]:
    rivals = [
        entry
        for entry in summary["rivals"]
        if entry["regime"] == "local"
        and entry["population"] == FAMILY_CROSSING
        and entry["family"] == "rival"
        and entry["rival"] != "none"
    ]
    if not rivals:
        return UNJUDGED, "local training with GIN and a rival was not run"
    above = [entry for entry in rivals if entry["difference"] < 0]
    best = max(rivals, key=lambda entry: entry["second"])
    found = f"GIN {best['first']:.3f}, best of {len(rivals)}: {best['rival']} {best['second']:.3f}"
    if above:
        names = ", ".join(f"{e['rival']} ({signed(e['difference'])})" for e in above)
        return NOT_MET, f"GIN minus rival is below zero for {names}; {found}"
    return MET, found


def _pancreas(summary: Summary) -> tuple[str, str]:
    found = []
    met = False
    for modality in MODALITIES:
        gain = _find(
            summary["gains"],
            regime="local",
            population=FAMILY_CROSSING,
            modality=modality,
            class_name="pancreas",
        )
        if gain is None:
            continue
        gin, none = gain["first"], gain["second"]
        met |= gin >= PANCREAS_FACTOR * none and gain["difference"] >= PANCREAS_GAIN
        other = next(name for name in MODALITIES if name != modality)
        found.append(
            f"{other} to {modality}: {none:.3f} to {gin:.3f} ({signed(gain['difference'])}, "
            f"{interval(gain, difference=True)})"
        )
    if not found:
        return UNJUDGED, "no pancreas was measured with GIN and without augmentation"
    if not met and len(found) < len(MODALITIES):
        return UNJUDGED, f"one direction is missing; {found[0]}"
    return (MET if met else NOT_MET), "; ".join(found)


def _unseen_gain(summary: Summary, *, regime: str) -> tuple[str, str]:
    gain = _find(summary["gains"], regime=regime, population="unseen hospitals")
    if gain is None:
        return UNJUDGED, f"no {regime} training with GIN and without met unseen hospitals"
    found = f"{signed(gain['difference'])} ({interval(gain, difference=True)})"
    if gain["low"] is None:
        return UNJUDGED, found
    return (MET if gain["low"] > 0 else NOT_MET), found


def _ratio(summary: Summary) -> tuple[str, str]:
    ratios = [
        entry
        for modality in MODALITIES
        if (
            entry := _find(
                summary["ratios"],
                algorithm="fedavg",
                augmentation="gin",
                population="training sites",
                modality=modality,
            )
        )
        and entry["ratio"] is not None
    ]
    found = "; ".join(f"{e['modality']} {e['ratio']:.3f} ({interval(e)})" for e in ratios)
    if len(ratios) < len(MODALITIES):
        return UNJUDGED, found or "federated and centralized GIN were not both run"
    if any(entry["ratio"] < PAPER_BAND[0] for entry in ratios):
        return NOT_MET, found
    seeds = min(entry["seeds"] for entry in ratios)
    if seeds < RATIO_SEEDS:
        return UNJUDGED, f"{seeds} of {RATIO_SEEDS} seeds; so far {found}"
    return MET, found


def _find(
    table: Sequence[Mapping[str, Any]],
    *,
    modality: str = "all",
    class_name: str = "mean",
    algorithm: str | None = None,
    **wanted: str,
) -> Mapping[str, Any] | None:
    """Returns the entry of a table that has these values, of plain averaging unless said."""
    for entry in table:
        if (
            entry["modality"] == modality
            and entry["class"] == class_name
            and entry["algorithm"] in ((algorithm,) if algorithm else ("", "fedavg"))
            and all(entry[key] == value for key, value in wanted.items())
        ):
            return entry
    return None
