"""A released model as a run leaves one: a real network's weights, and a card from a record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.release.card import CARD_FILE, ModelCard
from fedgin.release.from_record import Origin, make_card
from fedgin.release.model_file import pack_weights, weights_facts, write_release
from fedgin.release.settings_hash import HASH_KEY
from fedgin.report.run_record import RunRecord, SiteMetrics
from fedgin.settings import ResolvedSettings

LINEAGE = "0123456789abcdef" * 2


def make_record() -> RunRecord:
    """Two CT sites and one MR site, of which one missed the second round."""
    return RunRecord(
        title="federated heart, augmentation gin",
        planned_rounds=2,
        finished_rounds=2,
        sites=["b", "a", "m"],
        contributions={0: ["m", "a", "b"], 1: ["a", "m"]},
        final={
            "best": {
                "a": _metrics("CT", 0.8, 0.6),
                "b": _metrics("CT", 0.6, 0.4),
                "m": _metrics("MR", 0.5, 0.9),
            }
        },
        best_round=1,
        training_slices={"a": 100, "b": 50, "m": 70},
    )


def make_release(
    settings: ResolvedSettings, record: RunRecord | None = None
) -> tuple[bytes, ModelCard]:
    """Makes weights and card; the weights are the network's initial ones."""
    weights = get_weights(build_network(settings))
    content = pack_weights(weights)
    card = make_card(
        record or make_record(),
        settings=settings,
        model="best",
        weights=weights_facts(weights, content),
        origin=Origin(lineage=LINEAGE),
    )
    return content, card


def release_into(folder: Path, settings: ResolvedSettings) -> Path:
    """Writes such a model and returns its folder."""
    write_release(folder, *make_release(settings))
    return folder


def change_card(folder: Path, **values: Any) -> None:
    """Rewrites a card as a version of fedgin that knew no hash of settings would have."""
    file = folder / CARD_FILE
    content = {**json.loads(file.read_text()), **values}
    content.pop(HASH_KEY, None)
    file.write_text(json.dumps(content))


def _metrics(modality: str, validation: float, test: float) -> SiteMetrics:
    def part(dice: float, cases: int) -> dict[str, object]:
        return {"dice": dice, "per_class": {"heart": dice}, "cases": cases, "summary": {}}

    return SiteMetrics(modality, part(validation, 2), part(test, 3))
