"""A bundle's metadata keep MONAI's rules, and no text of a card is read as code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import verify_net_in_out
from monai.bundle.workflows import ConfigWorkflow

from fedgin.export.bundle import INFERENCE, METADATA, write_bundle
from fedgin.export.bundle_metadata import bundle_metadata
from fedgin.export.model import ExportModel, plain_network

# What MONAI's schema of the metadata requires, with the types that it asks for.
REQUIRED: dict[str, type] = {
    "schema": str,
    "version": str,
    "monai_version": str,
    "pytorch_version": str,
    "numpy_version": str,
    "required_packages_version": dict,
    "task": str,
    "description": str,
    "authors": str,
    "copyright": str,
    "network_data_format": dict,
}
TENSOR: dict[str, type] = {
    "type": str,
    "format": str,
    "num_channels": int,
    "spatial_shape": list,
    "dtype": str,
    "value_range": list,
    "is_patch_data": bool,
    "channel_def": dict,
}
OPTIONAL: dict[str, type] = {
    "changelog": dict,
    "data_type": str,
    "image_classes": str,
    "pred_classes": str,
    "eval_metrics": dict,
    "intended_use": str,
}


def texts(value: Any) -> Iterator[str]:
    """All keys and texts of nested values."""
    if isinstance(value, dict):
        yield from value
        for below in value.values():
            yield from texts(below)
    elif isinstance(value, (list, tuple)):
        for below in value:
            yield from texts(below)
    elif isinstance(value, str):
        yield value


@pytest.fixture
def metadata(unet: ExportModel) -> dict[str, Any]:
    return json.loads(json.dumps(bundle_metadata(unet, modalities=("CT", "MR"))))


def test_every_required_entry_is_there_and_of_its_type(metadata: dict[str, Any]) -> None:
    for name, kind in {**REQUIRED, **OPTIONAL}.items():
        assert isinstance(metadata[name], kind), name
    tensors = metadata["network_data_format"]
    for tensor in (tensors["inputs"]["image"], tensors["outputs"]["pred"]):
        for name, kind in TENSOR.items():
            assert type(tensor[name]) is kind, name
    assert tensors["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "heart"}
    assert tensors["inputs"]["image"]["modality"] == "CT, MR"
    assert metadata["eval_metrics"]["test_mean_dice_CT"] == pytest.approx(0.5)


def test_no_text_of_a_card_is_an_expression_a_reference_or_a_file(unet: ExportModel) -> None:
    sites = iter(unet.card.sites.values())
    card = unet.card.model_copy(
        update={
            "title": "$__import__('os').system('touch /tmp/x')",
            "fedgin_version": "@network_def",
            "sites": dict(zip(("$1+1", "@net", "%/etc/passwd"), sites, strict=True)),
            "intended_use": ("%/etc/passwd",),
            "limits": ("$1+1\n$2",),
            "modalities": {"$1": next(iter(unet.card.modalities.values()))},
        }
    )
    hostile = replace(unet, released=replace(unet.released, card=card))
    found = list(texts(bundle_metadata(hostile, modalities=("CT",))))
    assert len(found) > 50
    assert not [text for text in found if re.match(r"\s*[$@%]", text)]


@pytest.mark.parametrize("name", ["unet", "thick slices"])
def test_monai_s_own_checks_pass(
    load_model: Callable[[str], ExportModel],
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load_model(name)
    write_bundle(tmp_path, model, plain_network(model))
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("ignite", reason="MONAI's evaluator needs pytorch-ignite")
    workflow = ConfigWorkflow(config_file=INFERENCE, meta_file=METADATA, workflow_type="inference")
    workflow.initialize()
    assert workflow.check_properties() == []
    # The network takes what the metadata say, at the smallest sizes and others, and gives it back.
    for sizes in ({"n": 1, "p": 1}, {"n": 3, "p": 2}):
        verify_net_in_out(
            "network_def", meta_file=METADATA, config_file=INFERENCE, device="cpu", **sizes
        )


def test_there_is_a_configuration_for_each_modality(unet: ExportModel, tmp_path: Path) -> None:
    write_bundle(tmp_path, unet, plain_network(unet))
    assert sorted(path.name for path in (tmp_path / "configs").iterdir()) == [
        "inference.json",
        "inference_ct.json",
        "inference_mr.json",
        "metadata.json",
    ]
    first = (tmp_path / "configs/inference.json").read_bytes()
    assert first == (tmp_path / "configs/inference_ct.json").read_bytes()
    readme = (tmp_path / "docs/README.md").read_text()
    assert "For MR take configs/inference_mr.json." in readme
    assert "0 background, 1 heart" in readme
