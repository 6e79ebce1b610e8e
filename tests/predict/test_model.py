"""A model is ready, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scans import CPU, tiny_settings

from fedgin.errors import FedginError
from fedgin.networks import build_network
from fedgin.predict.model import load_model
from fedgin.release.card import CARD_FILE, MODEL_FILE
from fedgin.release.model_file import pack_weights, weights_facts, write_release
from released_models import change_card, make_release, release_into


def said(path: Path, task: str | None = None) -> str:
    with pytest.raises(FedginError) as caught:
        load_model(path, device=CPU, task=task)
    return str(caught.value)


def test_folder_and_file_give_the_released_network(tmp_path: Path) -> None:
    settings = tiny_settings("abdomen")
    folder = release_into(tmp_path, settings)
    expected = build_network(settings).state_dict()
    for path in (folder, folder / MODEL_FILE):
        model = load_model(path, device=CPU, task="abdomen")
        assert not model.network.training
        state = model.network.state_dict()
        assert all(torch.equal(state[name], expected[name]) for name in expected)
        assert model.modalities == ("CT", "MR")
        assert model.settings.geometry == settings.geometry


def test_a_model_of_another_task_is_refused_by_name(tmp_path: Path) -> None:
    folder = release_into(tmp_path, tiny_settings("abdomen"))
    words = said(folder, task="heart")
    assert "task 'heart', as --task says" in words
    assert "task 'abdomen' (liver, spleen" in words


def test_a_card_whose_task_is_not_that_of_its_settings_is_refused(tmp_path: Path) -> None:
    folder = release_into(tmp_path, tiny_settings("abdomen"))
    change_card(folder, task="heart")
    assert "as its own settings say" in said(folder)


def test_classes_that_are_not_the_task_s_cannot_be_set_and_it_says_so(tmp_path: Path) -> None:
    folder = release_into(tmp_path, tiny_settings("abdomen"))
    change_card(folder, class_names=["leber", "heart"])
    words = said(folder)
    assert "classes must be those of the task" in words
    assert "copy the release folder again" in words
    assert "--set" not in words  # predict has none


def test_a_setting_that_was_edited_is_refused(tmp_path: Path) -> None:
    folder = release_into(tmp_path, tiny_settings("abdomen"))
    file = folder / CARD_FILE
    card = json.loads(file.read_text())
    card["settings"]["ct_window"] = [-100, 100]
    file.write_text(json.dumps(card))
    words = said(folder)
    assert str(file) in words
    assert "settings must be as they were written" in words
    assert "copy the card from the release again" in words


def test_arrays_that_do_not_fit_the_card_s_network_are_refused(tmp_path: Path) -> None:
    _, card = make_release(tiny_settings("abdomen"))
    weights = {"layer.weight": np.zeros((3, 3), np.float32)}
    content = pack_weights(weights)
    facts = weights_facts(weights, content)
    write_release(tmp_path, content, card.model_copy(update={"weights": facts}))
    assert "names must be those of the network" in said(tmp_path)


def test_what_is_no_released_model_is_refused(tmp_path: Path) -> None:
    assert "released model" in said(tmp_path)
    (tmp_path / "model.pt").write_bytes(b"x")
    assert "file of another kind" in said(tmp_path / "model.pt")
