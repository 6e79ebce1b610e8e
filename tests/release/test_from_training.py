"""The card of a model that was trained without a federation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fedgin.config import parse
from fedgin.data.prepare import PreparedCase, PreparedSite
from fedgin.engine.evaluator import CaseDice, Evaluation
from fedgin.engine.pooled import PooledRun
from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.release.card import ModelCard
from fedgin.release.from_training import release_best
from fedgin.release.model_file import read_release
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig

SETTINGS = make_settings(
    task="abdomen", channels=[4, 8], patch_size=[32, 32], normalization="batch", algorithm="fedbn"
)
NAMES = SETTINGS.task.class_names


def make_site(name: str) -> PreparedSite:
    """A hospital with 7 training slices, whose figures need five patients."""
    content = {
        "modality": "MR",
        "dataset": {"kind": "pairs", "root": "/data", "cases": [{"image": "i", "label": "l"}]},
        "labels": {"liver": 1},
    }
    config = parse(SiteConfig, content, where="test")
    empty = np.zeros((7, 4, 4), np.float16)
    case = PreparedCase("c", "p", name, "MR", empty, empty, np.zeros((0, 4)), (1.0, 1.0, 1.0))
    return PreparedSite(
        Site(name, Path(f"{name}.yaml"), config),
        {"train": [case], "validation": [], "test": []},
        (),
        0,
        0.0,
    )


def measured(site: str, dice: Sequence[Sequence[float]]) -> Evaluation:
    """An evaluation with a row for each patient."""
    rows = [CaseDice(str(k), site, "MR", np.array(row)) for k, row in enumerate(dice)]
    return Evaluation(NAMES, rows)


def make_card(folder: Path, *, scores: Sequence[float]) -> ModelCard:
    weights = get_weights(build_network(SETTINGS))
    run = PooledRun(weights, weights, best_round=2, scores=[*scores], losses=[1.0, 0.9, 0.8])
    site = make_site("here")
    # Five patients have a liver, of whom four have a spleen.
    rows = [[0.8, 0.5, *[np.nan] * 4]] * 4 + [[0.3, *[np.nan] * 5]]
    folder = release_best(
        folder,
        run,
        sites=[site],
        settings=SETTINGS,
        validation={"here": measured("here", [])},
        test={"here": measured("here", rows)},
    )
    return read_release(folder).card


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    return make_card(tmp_path, scores=[0.0, 0.4, 0.5, 0.3])


def test_it_says_how_the_model_was_trained(card: ModelCard) -> None:
    assert card.title == "abdomen, one site alone, augmentation gin, 1 site, 3 rounds"
    assert (card.rounds, card.choice.model, card.choice.after_round) == (3, "best", 2)
    assert card.sites["here"].training_slices == 7
    assert card.contributions == dict.fromkeys((1, 2, 3), ("here",))
    # Nobody averaged, so no site kept layers of its own.
    assert card.settings.algorithm == "fedavg"
    assert not any("layers of its own" in sentence for sentence in card.limits)


def test_a_figure_by_class_needs_as_many_patients_as_in_a_federation(card: ModelCard) -> None:
    test = card.sites["here"].test
    assert test is not None
    assert test.cases == 5
    assert test.per_class == {**dict.fromkeys(NAMES), "liver": pytest.approx(0.7)}
    assert test.dice == pytest.approx(0.7)


def test_without_validation_the_card_calls_no_model_the_best(tmp_path: Path) -> None:
    card = make_card(tmp_path, scores=[np.nan] * 4)
    assert (card.choice.model, card.choice.after_round) == ("last", 3)
    assert card.choice.score is None
    validation = card.sites["here"].validation
    assert validation is not None
    assert (validation.cases, validation.dice) == (0, None)
