"""Making a card from a federated run's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import fedgin
from fedgin.package import package_hash, package_root
from fedgin.release.card import (
    Choice,
    ModalityFacts,
    ModelCard,
    Numbers,
    SiteFacts,
    WeightsFacts,
)
from fedgin.release.words import intended_use, limits
from fedgin.report.run_record import RunRecord, SiteMetrics
from fedgin.settings import ResolvedSettings, TrainingSettings


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    Attributes:
        lineage: Name of the run, if it has one.
        started_from: Hash of the released model that the run started from, if any.
    """

    lineage: str | None = None
    started_from: str | None = None


def make_card(
    record: RunRecord,
    *,
    settings: ResolvedSettings,
    model: str,
    weights: WeightsFacts,
    origin: Origin,
) -> ModelCard:
    """Writes the card of one of a run's models.

    Only what the server has received all along goes in: Dice by site, counts of cases and of
    training slices, contributions. Histograms over patients do not.

    Args:
        record: The run's record, its best model settled.
        settings: Settings of the run.
        model: `best` or `last`.
        weights: What is said of the weights.
        origin: Where the model comes from.
    """
    reports = record.final.get(model, {})
    finished = record.first_round + record.finished_rounds
    chosen = record.best_round if model == "best" and record.best_round is not None else finished
    sites = {site: _site_facts(site, record, reports) for site in sorted(record.sites)}
    return ModelCard(
        title=f"{record.title}, {_counted(len(sites), 'site')}, "
        f"{_counted(record.finished_rounds, 'round')}",
        fedgin_version=fedgin.__version__,
        package_sha256=package_hash(package_root()),
        lineage=origin.lineage,
        started_from=origin.started_from,
        task=settings.task.name,
        class_names=settings.task.class_names,
        settings=whole_settings(settings),
        rounds=record.finished_rounds,
        choice=Choice.model_validate(
            {"model": model, "after_round": chosen, "score": _known(record.score(reports))}
        ),
        modalities=_modalities(sites),
        sites=sites,
        contributions={
            number + 1: tuple(sorted(given)) for number, given in record.contributions.items()
        },
        intended_use=intended_use(settings, sites),
        limits=limits(settings, sites),
        weights=weights,
    )


def whole_settings(settings: ResolvedSettings) -> TrainingSettings:
    """Returns settings in which nothing is left to a task's defaults."""
    geometry = settings.geometry
    return settings.training.model_copy(
        update={
            "spacing": geometry.spacing,
            "patch_size": geometry.patch_size,
            "channels": geometry.channels,
            "batch_size": geometry.batch_size,
            "tolerance_mm": settings.tolerance_mm,
            "ct_window": settings.ct_window,
            "mr_percentile": settings.mr_percentile,
        }
    )


def _site_facts(site: str, record: RunRecord, reports: Mapping[str, SiteMetrics]) -> SiteFacts:
    report = reports.get(site)
    modality = record.modality_of(site)
    return SiteFacts.model_validate(
        {
            "modality": None if modality == "?" else modality,
            "training_slices": record.training_slices.get(site),
            "validation": None if report is None else _numbers(report.validation),
            "test": None if report is None else _numbers(report.test),
            "not_annotated": record.not_annotated.get(site),
        }
    )


def _numbers(part: Mapping[str, Any] | None) -> Numbers | None:
    if part is None:
        return None
    return Numbers(
        cases=part.get("cases", 0), dice=part.get("dice"), per_class=dict(part["per_class"])
    )


def _modalities(sites: Mapping[str, SiteFacts]) -> dict[str, ModalityFacts]:
    found: dict[str, ModalityFacts] = {}
    for modality in sorted({facts.modality for facts in sites.values() if facts.modality}):
        members = {name: facts for name, facts in sites.items() if facts.modality == modality}
        found[modality] = ModalityFacts(
            sites=tuple(members),
            validation_dice=_mean(facts.validation for facts in members.values()),
            test_dice=_mean(facts.test for facts in members.values()),
        )
    return found


def _mean(parts: Any) -> float | None:
    values = [part.dice for part in parts if part is not None and part.dice is not None]
    return float(np.mean(values)) if values else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
