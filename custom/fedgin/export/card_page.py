"""A model's card for readers: what it says as JSON, in sections of sentences and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedgin.release.card import ModelCard, Numbers
from fedgin.report.study.cells import Table, number
from fedgin.report.study.labels import class_label

NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: Its heading.
        sentences: A list of sentences; may be empty.
        tables: Tables below them.
    """

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


def card_sections(card: ModelCard) -> tuple[Section, ...]:
    """Puts a card into the order in which one reads it."""
    return (
        Section("Intended use", card.intended_use),
        Section("Limits", card.limits),
        Section("Results", tables=(_modality_table(card), _site_table(card), *_class_tables(card))),
        Section("Data", tables=(_data_table(card),)),
        Section("Origin", tables=(_origin_table(card),)),
        Section("Settings", tables=(_settings_table(card),)),
    )


def _modality_table(card: ModelCard) -> Table:
    return Table(
        caption="Mean Dice by modality: mean over the sites that measured",
        header=("modality", "sites", "validation", "test"),
        rows=tuple(
            (
                modality,
                ", ".join(facts.sites),
                number(facts.validation_dice),
                number(facts.test_dice),
            )
            for modality, facts in card.modalities.items()
        ),
        labels=2,
    )


def _site_table(card: ModelCard) -> Table:
    return Table(
        caption="Mean Dice by site; test patients were never used to train or to choose",
        header=("site", "modality", "validation volumes", "Dice", "test volumes", "Dice"),
        rows=tuple(
            (
                site,
                facts.modality or NONE,
                *_measured(facts.validation),
                *_measured(facts.test),
            )
            for site, facts in card.sites.items()
        ),
        labels=2,
    )


def _measured(numbers: Numbers | None) -> tuple[str, str]:
    return (NONE, NONE) if numbers is None else (str(numbers.cases), number(numbers.dice))


def _class_tables(card: ModelCard) -> Iterator[Table]:
    tested = {site: facts.test for site, facts in card.sites.items() if facts.test is not None}
    if len(card.class_names) > 1 and tested:
        yield Table(
            caption="Dice of test volumes by structure",
            header=("site", *(class_label(name) for name in card.class_names)),
            rows=tuple(
                (site, *(number(numbers.per_class.get(name)) for name in card.class_names))
                for site, numbers in tested.items()
            ),
        )


def _data_table(card: ModelCard) -> Table:
    rounds = list(card.contributions.values())
    return Table(
        caption="What the sites trained on, and in how many rounds their update was accepted",
        header=("site", "modality", "axial slices", "rounds"),
        rows=tuple(
            (
                site,
                facts.modality or NONE,
                NONE if facts.training_slices is None else str(facts.training_slices),
                f"{sum(site in given for given in rounds)} of {card.rounds}",
            )
            for site, facts in card.sites.items()
        ),
        labels=2,
    )


def _origin_table(card: ModelCard) -> Table:
    score = number(card.choice.score)
    rows = {
        "task": card.task,
        "structures": ", ".join(class_label(name) for name in card.class_names),
        "chosen": f"{card.choice.model} model, after {card.choice.after_round} of {card.rounds} "
        f"rounds, score {score} (mean over modalities of validation Dice)",
        "SHA-256 of the weights": card.weights.sha256,
        "numbers in the weights": f"{card.weights.parameters:,} in {len(card.weights.arrays)} "
        "arrays",
        "run": card.lineage or NONE,
        "started from model": card.started_from or "none: from initial weights",
        "fedgin": card.fedgin_version,
        "SHA-256 of its package": card.package_sha256,
    }
    return Table(
        caption="Where the model comes from",
        header=("fact", "value"),
        rows=tuple(rows.items()),
        labels=2,
    )


def _settings_table(card: ModelCard) -> Table:
    values = card.settings.model_dump(mode="json")
    return Table(
        caption="All training settings",
        header=("setting", "value"),
        rows=tuple(_flat(values)),
        labels=2,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)
