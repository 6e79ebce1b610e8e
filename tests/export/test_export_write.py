"""A whole export: what is written, what is said of it, and what is left where a part fails."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedgin.cli import build_app, main
from fedgin.export import write
from fedgin.export.formats import ExportError
from fedgin.export.model import ExportModel
from fedgin.release.card import CARD_FILE, MODEL_FILE
from fedgin.release.model_file import read_release

CARD = {"MODEL_CARD.md", "model_card.html", CARD_FILE, "SHA256SUMS"}
BUNDLE = {
    "bundle/configs/inference.json",
    "bundle/configs/inference_ct.json",
    "bundle/configs/inference_mr.json",
    "bundle/configs/metadata.json",
    "bundle/docs/README.md",
    "bundle/models/model.pt",
}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_command_writes_what_it_lists(unet: ExportModel, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(build_app(), ["export", unet.where, str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    assert files(out) == CARD | BUNDLE | {MODEL_FILE, "model.ts", "io.json"}
    assert f"model {unet.released.name}: {unet.card.title}" in done.output
    assert "model.ts: scores within" in done.output
    for name in files(out):
        assert f"  {name}\n" in done.output
    sums = dict(
        reversed(line.split("  ", 1)) for line in (out / "SHA256SUMS").read_text().splitlines()
    )
    assert sums == {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in files(out) - {"SHA256SUMS"}
    }
    # The export is a released model again.
    assert read_release(out).card == unet.card


def test_io_json_says_what_goes_in_and_what_was_measured(unet: ExportModel, tmp_path: Path) -> None:
    done = write.export_model(unet, tmp_path / "out", formats=("torchscript",))
    text = json.loads((tmp_path / "out/io.json").read_text())
    assert text["input"]["shape"] == ["batch", 1, "y", "x"]
    assert text["input"]["multiple_of"] == {"y": 4, "x": 4}
    assert text["output"]["classes"] == ["background", "heart"]
    assert text["preprocessing"]["spacing_mm"] == {"x": 5.0, "y": 5.0, "z": None}
    assert text["preprocessing"]["CT"]["clip_hu"] == [-200.0, 500.0]
    assert text["preprocessing"]["MR"]["clip_above_percentile"] == 99.5
    assert text["sliding_window"]["size"] == [64, 16]
    assert text["model_sha256"] == unet.card.weights.sha256
    parity = text["parity"]["files"]["model.ts"]
    assert parity["max_abs_difference"] == done.parity["model.ts"].max_abs_difference <= 1e-5
    assert parity["shapes"] == [[2, 1, 64, 16], [1, 1, 68, 24]]


def test_nothing_is_left_where_one_format_fails(
    unet: ExportModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write.compile_network

    def wrong(network):  # type: ignore[no-untyped-def]
        script = real(network)
        list(script.parameters())[-1].data.add_(0.01)
        return script

    monkeypatch.setattr(write, "compile_network", wrong)
    with pytest.raises(ExportError, match=r"model.ts: exported, it must give"):
        write.export_model(unet, tmp_path / "out", formats=("safetensors", "torchscript"))
    assert not any(tmp_path.iterdir())


def test_a_translator_that_fails_is_named_and_leaves_nothing(
    unet: ExportModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(network: object) -> None:
        raise KeyError("aten::new_operator\nand a page of detail")

    monkeypatch.setattr(write, "compile_network", cannot)
    with pytest.raises(ExportError, match=r"KeyError: 'aten::new_operator.*leave this format out"):
        write.export_model(unet, tmp_path / "out", formats=("torchscript",))
    assert not any(tmp_path.iterdir())


def test_a_refusal_exits_with_2_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x")
    monkeypatch.setattr(sys, "argv", ["fedgin", "export", "no-such-model", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "an export needs a new or empty folder" in capsys.readouterr().err


def test_the_page_s_numbers_are_in_the_bundle_too(unet: ExportModel, tmp_path: Path) -> None:
    write.export_model(unet, tmp_path / "out", formats=("bundle",))
    page = (tmp_path / "out/MODEL_CARD.md").read_text()
    assert (tmp_path / "out/bundle/docs/README.md").read_text().endswith(page)
