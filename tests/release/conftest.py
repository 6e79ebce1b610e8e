"""A released model as a run leaves one: a real network's weights, and a card from a record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.release.card import ModelCard
from fedgin.release.from_record import Origin, make_card
from fedgin.release.model_file import pack_weights, weights_facts, write_release
from fedgin.report.run_record import RunRecord, SiteMetrics
from fedgin.settings import ResolvedSettings

LINEAGE = "0123456789abcdef" * 2


def metrics(modality: str, validation: float, test: float) -> SiteMetrics:
    def part(dice: float, cases: int) -> dict[str, object]:
        return {"dice": dice, "per_class": {"heart": dice}, "cases": cases, "summary": {}}

    return SiteMetrics(modality, part(validation, 2), part(test, 3))


@pytest.fixture
def record() -> RunRecord:
    """Two CT sites and one MR site, of which one missed the second round."""
    return RunRecord(
        title="federated heart, augmentation gin",
        planned_rounds=2,
        finished_rounds=2,
        sites=["b", "a", "m"],
        contributions={0: ["m", "a", "b"], 1: ["a", "m"]},
        final={
            "best": {
                "a": metrics("CT", 0.8, 0.6),
                "b": metrics("CT", 0.6, 0.4),
                "m": metrics("MR", 0.5, 0.9),
            }
        },
        best_round=1,
        training_slices={"a": 100, "b": 50, "m": 70},
    )


@pytest.fixture
def make(
    record: RunRecord, quick: ResolvedSettings
) -> Callable[[ResolvedSettings | None], tuple[bytes, ModelCard]]:
    """Makes weights and card for settings, by default the quick ones."""

    def release(settings: ResolvedSettings | None = None) -> tuple[bytes, ModelCard]:
        chosen = settings or quick
        weights = get_weights(build_network(chosen))
        content = pack_weights(weights)
        card = make_card(
            record,
            settings=chosen,
            model="best",
            weights=weights_facts(weights, content),
            origin=Origin(lineage=LINEAGE),
        )
        return content, card

    return release


@pytest.fixture
def released(
    make: Callable[[ResolvedSettings | None], tuple[bytes, ModelCard]], tmp_path: Path
) -> Path:
    """A release folder with the quick network's initial weights."""
    folder = tmp_path / "release"
    write_release(folder, *make(None))
    return folder
