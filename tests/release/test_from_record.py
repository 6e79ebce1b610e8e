"""What a card says of a run: the numbers that the server has, and sentences that fit them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import fedgin
from fedgin.package import package_hash, package_root
from fedgin.release.card import ModelCard, card_from_text
from fedgin.settings import ResolvedSettings, make_settings
from released_models import LINEAGE, make_record, make_release


@pytest.fixture
def card(quick: ResolvedSettings) -> ModelCard:
    return make_release(quick)[1]


def test_it_says_where_the_model_comes_from(card: ModelCard) -> None:
    assert (card.fedgin_version, card.package_sha256) == (
        fedgin.__version__,
        package_hash(package_root()),
    )
    assert (card.lineage, card.started_from) == (LINEAGE, None)
    assert (card.task, card.class_names, card.rounds) == ("heart", ("heart",), 2)
    assert card.contributions == {1: ("a", "b", "m"), 2: ("a", "m")}


def test_the_choice_and_its_balanced_score(card: ModelCard) -> None:
    assert (card.choice.model, card.choice.after_round) == ("best", 1)
    # CT sites (0.8 + 0.6) / 2, MR site 0.5, modalities alike.
    assert card.choice.score == pytest.approx(0.6)


def test_numbers_by_site_and_modality(card: ModelCard) -> None:
    assert list(card.sites) == ["a", "b", "m"]
    site = card.sites["b"]
    assert (site.modality, site.training_slices) == ("CT", 50)
    assert site.validation is not None and site.test is not None
    assert (site.validation.cases, site.test.cases) == (2, 3)
    assert site.test.per_class == {"heart": 0.4}
    assert card.modalities["CT"].sites == ("a", "b")
    assert card.modalities["CT"].test_dice == pytest.approx(0.5)
    assert card.modalities["MR"].validation_dice == pytest.approx(0.5)


def test_histograms_over_patients_are_left_out(card: ModelCard) -> None:
    assert "summary" not in card.to_text()


def test_the_settings_are_whole(card: ModelCard, quick: ResolvedSettings) -> None:
    assert card.settings.channels == quick.geometry.channels
    default = make_settings(task="heart")
    assert card.settings.tolerance_mm == default.tolerance_mm
    # They mean the same when they are read again.
    again = card.settings.resolve()
    assert (again.geometry, again.tolerance_mm) == (quick.geometry, quick.tolerance_mm)


def test_a_site_that_never_answered_is_shown_with_nothing(quick: ResolvedSettings) -> None:
    record = make_record()
    record.sites.append("z")
    facts = make_release(quick, record)[1].sites["z"]
    assert facts.model_dump() == dict.fromkeys(
        ("modality", "training_slices", "validation", "test", "not_annotated")
    )


def test_a_card_is_json_and_comes_back(card: ModelCard) -> None:
    assert card_from_text(card.to_text(), where="here") == card
    json.loads(card.to_text(), parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "must not be used for diagnosis"),
        ({"spacing": [2.0, 2.0, None]}, "x 2 mm, y 2 mm, z as scanned"),
        ({"normalization": "batch"}, "those of the training sites"),
        ({"normalization": "batch", "algorithm": "fedbn"}, "layers of its own"),
    ],
)
def test_the_limits_follow_the_settings(settings: dict[str, Any], words: str) -> None:
    card = make_release(make_settings(task="heart", channels=[8, 16], **settings))[1]
    assert any(words in sentence for sentence in card.limits)
    assert card.intended_use[0] == ("Research on the segmentation of heart in CT and MR volumes.")


def test_a_card_says_who_annotated_what() -> None:
    settings = make_settings(
        task="abdomen", classes=["liver", "spleen", "kidney_left"], channels=[8, 16]
    )
    record = make_record()
    assert make_release(settings, record)[1].sites["a"].not_annotated is None
    record.not_annotated = {"a": ["kidney_left"], "b": ["spleen", "kidney_left"], "m": []}
    card = make_release(settings, record)[1]
    assert card.class_names == ("liver", "spleen", "kidney_left")
    assert card.sites["b"].not_annotated == ("spleen", "kidney_left")
    assert card.sites["m"].not_annotated == ()
    assert [limit for limit in card.limits if "annotated" in limit] == [
        "No CT site annotated kidney left: there they come from what other sites taught, and were "
        "never measured."
    ]
    assert card_from_text(card.to_text(), where="here") == card
