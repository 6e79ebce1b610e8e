"""A released model comes back as it was, or is refused with a reason."""

from __future__ import annotations

import hashlib
import json
import pickle
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from fedgin.errors import ConfigError, FedginError
from fedgin.networks import build_network
from fedgin.release.card import CARD_FILE, MODEL_FILE, ReleaseError
from fedgin.release.model_file import (
    pack_weights,
    read_release,
    sha256_of,
    weights_facts,
    write_release,
)
from fedgin.settings import ResolvedSettings, make_settings
from released_models import change_card, release_into


@pytest.fixture
def released(quick: ResolvedSettings, tmp_path: Path) -> Path:
    """A release folder with the quick network's initial weights."""
    return release_into(tmp_path / "release", quick)


def said(path: Path) -> str:
    with pytest.raises(FedginError) as caught:
        read_release(path)
    return str(caught.value)


def test_other_programs_read_the_weights_into_the_network(
    released: Path, quick: ResolvedSettings
) -> None:
    network = build_network(quick)
    expected = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    network.load_state_dict(safetensors.torch.load_file(released / MODEL_FILE))
    assert all(torch.equal(network.state_dict()[name], expected[name]) for name in expected)


def test_folder_and_file_are_the_same_model(released: Path) -> None:
    by_folder, by_file = read_release(released), read_release(released / MODEL_FILE)
    assert by_folder.card == by_file.card
    digest = hashlib.sha256((released / MODEL_FILE).read_bytes()).hexdigest()
    assert by_folder.card.weights.sha256 == digest
    assert by_folder.name == digest[:16]
    assert by_folder.weights.keys() == by_folder.card.weights.arrays.keys()


def test_whole_numbers_and_arrays_without_dimensions_survive(
    released: Path,
) -> None:
    weights = {
        "count": np.array(7, dtype=np.int64),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    }
    content = pack_weights(weights)
    card = read_release(released).card.model_copy(
        update={"weights": weights_facts(weights, content)}
    )
    write_release(released, content, card)
    found = read_release(released).weights
    for name, array in weights.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_the_files_are_for_the_user_alone(released: Path) -> None:
    for file in (released / MODEL_FILE, released / CARD_FILE):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_truncated_file_is_refused(released: Path, kept: int) -> None:
    file = released / MODEL_FILE
    file.write_bytes(file.read_bytes()[:kept])
    text = said(released)
    assert str(file) in text
    assert "copy the release folder again" in text


def test_one_changed_bit_is_refused_naming_both_hashes(released: Path) -> None:
    file = released / MODEL_FILE
    before = file.read_bytes()
    after = before[:-1] + bytes([before[-1] ^ 1])
    file.write_bytes(after)
    text = said(released)
    assert sha256_of(before)[:16] in text
    assert sha256_of(after)[:16] in text


def test_a_pickle_in_disguise_is_refused_and_not_run(released: Path, tmp_path: Path) -> None:
    class Dangerous:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "touched",)

    (released / MODEL_FILE).write_bytes(pickle.dumps(Dangerous()))
    assert "no pickle is ever opened" in said(released)
    assert not (tmp_path / "touched").exists()


def test_a_torch_file_in_disguise_is_refused(released: Path) -> None:
    torch.save({"a": torch.ones(2)}, released / MODEL_FILE)
    change_card(released)
    assert "a torch file is not a released model" in said(released)


def test_values_that_are_not_finite_are_refused(released: Path) -> None:
    weights = read_release(released).weights
    name = sorted(weights)[0]
    weights[name].flat[0] = np.inf
    content = pack_weights(weights)
    facts = weights_facts(weights, content)
    (released / MODEL_FILE).write_bytes(content)
    change_card(released, weights=facts.model_dump(mode="json"))
    assert f"values must be finite; found others in ['{name}']" in said(released)


def test_a_card_of_other_arrays_is_refused(released: Path) -> None:
    facts = json.loads((released / CARD_FILE).read_text())["weights"]
    name = sorted(facts["arrays"])[0]
    facts["arrays"][name] = [1, 2, 3]
    change_card(released, weights=facts)
    assert name in said(released)


def test_a_missing_card_is_refused_naming_it(released: Path) -> None:
    (released / CARD_FILE).unlink()
    text = said(released / MODEL_FILE)
    assert str(released / CARD_FILE) in text
    assert "copy the whole release folder" in text


def test_an_unknown_key_names_the_nearest(released: Path) -> None:
    change_card(released, class_name=["heart"])
    with pytest.raises(ConfigError, match="did you mean 'class_names'"):
        read_release(released)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"format": 2}, "format"),
        ({"lineage": "../../etc"}, "lineage"),
        ({"settings": {"task": "heart", "network": "magic"}}, "settings.network"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_key(
    released: Path, change: dict[str, Any], key: str
) -> None:
    change_card(released, **change)
    assert key in said(released)


@pytest.mark.parametrize("name", ["none", "none.safetensors", CARD_FILE])
def test_a_path_that_is_no_model_is_refused(released: Path, name: str) -> None:
    assert "a released model is a folder with" in said(released / name)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no such file"):
        read_release(tmp_path)


def test_batch_statistics_are_kept(tmp_path: Path) -> None:
    settings = make_settings(task="heart", channels=[8, 16], normalization="batch")
    weights = read_release(release_into(tmp_path / "r", settings)).weights
    assert any(name.endswith("num_batches_tracked") for name in weights)
