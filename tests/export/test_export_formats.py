"""Which formats there are, and what stands in their way."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.export.formats import FORMATS, parse_formats
from fedgin.export.model import ExportModel, read_model
from fedgin.export.write import ExportError, export_model
from fedgin.settings import make_settings
from released_models import release_into


def test_formats_are_read_in_any_order_and_once() -> None:
    assert parse_formats("onnx, bundle,onnx") == ("bundle", "onnx")
    assert parse_formats(",".join(FORMATS)) == FORMATS


@pytest.mark.parametrize(
    ("text", "words"), [("onx,bundle", "did you mean 'onnx'"), (" , ", "one or more of")]
)
def test_unknown_and_missing_names_are_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_formats(text)


def test_missing_packages_are_named_with_their_mend(
    unet: ExportModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError) as caught:
        export_model(unet, tmp_path / "out", formats=FORMATS)
    (problem,) = caught.value.problems
    assert problem.where == "package onnxruntime, onnxscript"
    assert "pip install onnxruntime onnxscript" in problem.mend
    assert "extra `export`" in problem.mend
    assert not any(tmp_path.iterdir())


def test_dual_normalization_leaves_as_safetensors_only(tmp_path: Path) -> None:
    settings = make_settings(
        task="heart", channels=[4, 8], patch_size=[32, 32], augmentation="dual_normalization"
    )
    model = read_model(release_into(tmp_path / "release", settings))
    with pytest.raises(ExportError, match=r"bundle, torchscript.*Dual-Normalization"):
        export_model(model, tmp_path / "out", formats=("safetensors", "bundle", "torchscript"))
    done = export_model(model, tmp_path / "out", formats=("safetensors",))
    assert "model.safetensors" in done.files
    assert done.parity == {}


def test_a_bundle_needs_a_modality(unet: ExportModel, tmp_path: Path) -> None:
    card = unet.card.model_copy(
        update={
            "sites": {
                name: facts.model_copy(update={"modality": None})
                for name, facts in unet.card.sites.items()
            }
        }
    )
    nameless = replace(unet, released=replace(unet.released, card=card))
    with pytest.raises(ExportError, match="no site with a modality"):
        export_model(nameless, tmp_path / "out", formats=("bundle",))
