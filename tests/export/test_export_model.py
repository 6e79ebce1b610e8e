"""A model that is not what its card says is not exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fedgin.errors import FedginError
from fedgin.export.model import ExportModel, plain_network, read_model
from fedgin.release.card import CARD_FILE, MODEL_FILE
from fedgin.release.model_file import pack_weights, weights_facts
from fedgin.settings import make_settings
from released_models import change_card, make_release, release_into

SMALL = {"channels": [4, 8], "patch_size": [32, 32]}


def said(path: Path) -> str:
    with pytest.raises(FedginError) as caught:
        read_model(path)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return release_into(tmp_path / "release", make_settings(task="heart", **SMALL))


def test_folder_and_file_are_read_alike(folder: Path) -> None:
    by_folder, by_file = read_model(folder), read_model(folder / MODEL_FILE)
    assert by_folder.card == by_file.card
    assert not by_folder.network.training
    state = by_file.network.state_dict()
    for name, array in by_folder.released.weights.items():
        assert torch.equal(state[name], torch.from_numpy(array))


@pytest.mark.parametrize(
    "name", ["unet", "batch", "dynunet", "unet 3D", "dynunet 3D", "thick slices"]
)
def test_monai_s_own_network_takes_every_weight(
    name: str, load_model: Callable[[str], ExportModel]
) -> None:
    model = load_model(name)
    state = plain_network(model).state_dict()
    for key, array in model.released.weights.items():
        if not key.startswith("deep_supervision_heads."):  # of use in training only
            assert torch.equal(state[key], torch.from_numpy(array))


def test_a_model_of_training_without_a_card_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "best_model.pt")
    for path in (tmp_path, tmp_path / "best_model.pt"):
        text = said(path)
        assert "best_model.pt, weights without a word on task" in text
        assert "name the release folder" in text


def test_a_task_that_is_not_known_is_refused(folder: Path) -> None:
    settings = json.loads((folder / CARD_FILE).read_text())["settings"]
    change_card(folder, settings={**settings, "task": "hearts"})
    assert "did you mean 'heart'" in said(folder)


def test_classes_of_another_task_are_refused(folder: Path) -> None:
    change_card(folder, class_names=["liver", "spleen"])
    assert "its classes must be those of the task" in said(folder)


def test_a_card_of_another_task_does_not_fit_the_arrays(folder: Path) -> None:
    _, other = make_release(make_settings(task="abdomen", **SMALL))
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(
        other.model_copy(
            update={"weights": other.weights.model_validate(card["weights"])}
        ).to_text()
    )
    assert "the shape must be" in said(folder)


def test_arrays_of_another_network_are_refused(folder: Path) -> None:
    settings = json.loads((folder / CARD_FILE).read_text())["settings"]
    change_card(folder, settings={**settings, "channels": [8, 16]})
    assert "use the same network settings" in said(folder)


def test_a_changed_bit_is_refused(folder: Path) -> None:
    content = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "the weights must be those of the card" in said(folder)


def test_missing_arrays_are_refused_though_the_card_agrees(folder: Path) -> None:
    weights = read_model(folder).released.weights
    del weights[sorted(weights)[0]]
    content = pack_weights(weights)
    (folder / MODEL_FILE).write_bytes(content)
    change_card(folder, weights=weights_facts(weights, content).model_dump(mode="json"))
    assert "1 missing" in said(folder)
