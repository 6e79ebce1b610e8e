"""The study in sentences: each says what its numbers support, and no more.

A difference is called one only where its 95 % interval leaves zero out and, if it was tested, where
Holm's corrected p is below 0.05 as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgin.report.study.labels import augmentation_in_words
from fedgin.study.directions import (
    SIGNIFICANT,
    direction,
    least_corrected_p,
    tested_direction,
    too_few,
)
from fedgin.study.ratios import PAPER_BAND
from fedgin.study.wording import SPACE, count, interval, p_text, signed

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Paragraph:
    """Sentences about one thing.

    Attributes:
        heading: The thing.
        sentences: At least one.
    """

    heading: str
    sentences: tuple[str, ...]


def summary_words(summary: Mapping[str, Any]) -> list[Paragraph]:
    """Writes the summary, one paragraph per arm and one on what federating costs.

    Args:
        summary: The tables of `fedgin.study.summary.summarize`.
    """
    paragraphs = []
    for arm in dict.fromkeys(entry["arm"] for entry in summary["counts"]):
        tables = {
            name: [entry for entry in summary[name] if entry["arm"] == arm]
            for name in ("gains", "rivals", "counts")
        }
        sentences = tuple(_arm_sentences(tables))
        if sentences:
            paragraphs.append(Paragraph(heading=f"{arm[0].upper()}{arm[1:]}", sentences=sentences))
    ratios = tuple(
        ratio_sentence(entry)
        for entry in summary["ratios"]
        if entry["class"] == "mean"
        and entry["modality"] != "all"
        and entry["augmentation"] == "gin"
        and entry["population"] == "training sites"
        and entry["ratio"] is not None
    )
    return paragraphs + ([Paragraph("Federated against centralized", ratios)] if ratios else [])


def _arm_sentences(tables: Mapping[str, Sequence[Entry]]) -> list[str]:
    sentences = []
    for population in dict.fromkeys(entry["population"] for entry in tables["counts"]):
        here = {
            name: [entry for entry in table if entry["population"] == population]
            for name, table in tables.items()
        }
        sentences += [
            gain_sentence(entry)
            for entry in here["gains"]
            if entry["modality"] == "all" and entry["class"] == "mean"
        ]
        rivals = [e for e in here["rivals"] if e["family"] == "rival" and e["rival"] != "none"]
        if rivals:
            sentences += rival_sentences(rivals)
        if "other modality" in population:
            sentences += count_sentences(here["counts"])
    return sentences


def gain_sentence(entry: Entry) -> str:
    """Says whether GIN differs from no augmentation."""
    head = f"{place(entry)}: "
    number = f"{signed(entry['difference'])} Dice ({interval(entry, difference=True)})"
    if entry["low"] is None:
        return (
            f"{head}GIN minus no augmentation is {number}; this says nothing about other patients."
        )
    match tested_direction(entry):
        case 1:
            return f"{head}GIN is above no augmentation by {number}."
        case -1:
            return f"{head}GIN is BELOW no augmentation: {number}."
    if direction(entry):
        number += f", but Holm p{SPACE}{p_text(entry['p_holm'])}"
    if direction(entry) and too_few(entry):
        number += ", which no data of so few patients could bring below 0.05"
    return f"{head}no difference between GIN and no augmentation is shown: {number}."


def rival_sentences(entries: Sequence[Entry]) -> list[str]:
    """Says above which rivals GIN is, above which it is not, within one arm and population."""
    head = f"{place(entries[0])}: GIN is "
    verdicts = {1: "above", -1: "BELOW", 0: "NOT shown to be above"}
    sentences = []
    for verdict, words in verdicts.items():
        found = [entry for entry in entries if tested_direction(entry) == verdict]
        if found:
            numbers = "; ".join(_rival_number(entry, short=verdict == 1) for entry in found)
            sentences.append(f"{head}{words} {numbers}.")
    most = max(entries, key=lambda entry: entry["n"])
    least = least_corrected_p(most)
    if least is not None and least >= SIGNIFICANT:
        sentences.append(
            f"{place(most)}: with {count(most['n'])} and {comparisons(most['family_size'])} no "
            f"data could bring the smallest Holm p below {least:.3f}."
        )
    return sentences


def _rival_number(entry: Entry, *, short: bool) -> str:
    """Names a rival with its numbers; the interval only where there is something to explain."""
    numbers = [signed(entry["difference"])]
    if not short:
        numbers.append(interval(entry, difference=True))
    numbers.append(f"Holm p{SPACE}{p_text(entry['p_holm'])}")
    return f"{augmentation_in_words(entry['rival'])} ({', '.join(numbers)})"


def ratio_sentence(entry: Entry) -> str:
    """Says where federated / centralized lies, against the band that the paper claims."""
    low, high = PAPER_BAND
    band = f"the paper's band of {low:.2f} to {high:.2f}"
    where = band_word(entry["ratio"])
    text = (
        f"Federated ({entry['algorithm']}) GIN reaches {entry['ratio']:.3f} of centralized GIN's "
        f"Dice on {entry['modality']} test patients of the {entry['population']} "
        f"({interval(entry)}): {where} {band}"
    )
    if where != "below" and entry["low"] is not None and entry["low"] < low:
        text += f", though the interval reaches below {low:.2f}"
    return text + "."


def band_word(ratio: float | None) -> str:
    """Says where a ratio lies against the paper's band."""
    low, high = PAPER_BAND
    if ratio is None:
        return "no ratio"
    return "below" if ratio < low else "above" if ratio > high else "within"


def count_sentences(counts: Sequence[Entry]) -> list[str]:
    """Counts missed and invented structures of GIN and no augmentation, where both ran.

    Args:
        counts: The entries of one arm and population.
    """
    found = {entry["augmentation"]: entry for entry in counts}
    if not {"none", "gin"} <= set(found):
        return []
    parts = [
        f"{augmentation_in_words(name)} misses {entry['missed']} and invents {entry['invented']} "
        f"of {entry['structures'] - entry['not_annotated']}"
        for name in ("gin", "none")
        for entry in (found[name],)
    ]
    return [f"{place(found['gin'])}, structures: {'; '.join(parts)}."]


def comparisons(number: int) -> str:
    """Writes a number of comparisons."""
    return f"{number} comparison{'' if number == 1 else 's'}"


def place(entry: Entry) -> str:
    """Names the population, as the head of a sentence."""
    name: str = entry["population"]
    return f"{name[0].upper()}{name[1:]}"
