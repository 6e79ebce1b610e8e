"""`fedgin predict` as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fedgin.cli import build_app, main
from fedgin.data.export_phantom import export_phantoms
from fedgin.settings import make_settings
from released_models import release_into


def call(*arguments: object) -> Result:
    return CliRunner().invoke(
        build_app(), ["predict", *map(str, arguments), "--threads", "1"], catch_exceptions=False
    )


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = make_settings(
        task="heart", channels=[4, 8], patch_size=[32, 32], spacing=[8.0, 8.0, None]
    )
    return release_into(tmp_path_factory.mktemp("release"), settings)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    for modality, protocol in (("CT", "native"), ("MR", "bssfp")):
        export_phantoms(
            folder, task="heart", modality=modality, protocol=protocol, seed=3, indices=[0]
        )
    return folder / "images"


def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> str:
    """Runs the entry point, which must exit with 2, and returns what it said."""
    monkeypatch.setattr(sys, "argv", ["fedgin", "predict", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    return printed.err


def test_a_folder_of_ct_and_mr_is_segmented(model: Path, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call(model, scans, out, "--overlays", "--largest-component", "--flip-axes", "x")
    assert result.exit_code == 0, result.output
    assert "2 segmented, 0 failed" in result.output
    for scan in scans.iterdir():
        label, image = nib.load(out / scan.name), nib.load(scan)
        assert label.shape == image.shape
        assert np.array_equal(label.affine, image.affine)
        name = scan.name.removesuffix(".nii.gz")
        assert (out / f"{name}_overlay.png").is_file()
        assert name in result.output
    content = json.loads((out / "predictions.json").read_text())
    assert content["choices"]["flips"] == [[], ["x"]]
    assert [case["modality"] for case in content["cases"]] == ["CT", "MR"]
    assert all(case["dissent"] is not None for case in content["cases"])


def test_every_warning_is_on_the_terminal_with_its_structures(
    model: Path, scans: Path, tmp_path: Path
) -> None:
    """The untrained network finds heart all over the scan, up to its edges."""
    result = call(model, scans, tmp_path / "out", "--no-shift-check")
    cases = json.loads((tmp_path / "out/predictions.json").read_text())["cases"]
    flags = [(case["name"], flag) for case in cases for flag in case["flags"]]
    assert ["heart"] in [flag["organs"] for _, flag in flags if flag["code"] == "cut_off"]
    for name, flag in flags:
        assert f"{name}: {flag['code']}: {flag['text']}" in result.output
        assert all(organ in flag["text"] for organ in flag["organs"])


def test_a_scan_that_fails_makes_it_1_and_the_others_are_there(
    model: Path, scans: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    scan = next(scans.glob("ct-*"))
    (source / "good.nii.gz").write_bytes(scan.read_bytes())
    (source / "bad.nii.gz").write_bytes(scan.read_bytes()[:999])
    (source / "notes.txt").write_text("mine")
    result = call(model, source, out, "--no-shift-check")
    assert result.exit_code == 1
    assert "1 segmented, 1 failed" in result.output
    assert "FAILED bad: " in result.output
    assert "left out: 1 x neither NIfTI nor DICOM: notes.txt" in result.output
    assert "1 segmented, 1 failed, 1 left out; results in" in result.output
    assert (out / "good.nii.gz").is_file()


def test_what_is_wrong_with_the_command_exits_with_2(
    model: Path,
    scans: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"

    def said(*arguments: object) -> str:
        words = refusal(monkeypatch, capsys, *arguments, "--threads", "1")
        assert not out.exists()
        return words

    assert "task 'abdomen', as --task says" in said(model, scans, out, "--task", "abdomen")
    assert "trains without" in said(model, scans, out, "--flip-ensemble")
    assert "--flip-axes" in said(model, scans, out, "--flip-axes", "q")
    assert "no such path" in said(model, tmp_path / "nowhere", out)
    assert "no such file" in said(tmp_path / "nowhere", scans, out)
    assert "the folder of the scans" in said(model, scans, scans)
    assert "'gpu'" in said(model, scans, out, "--device", "gpu")
    assert "cuda" in said(model, scans, out, "--device", "cuda:9")
    assert call(model, scans, out, "--modality", "PET").exit_code == 2


def test_a_second_run_overwrites_nothing(
    model: Path,
    scans: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scan, out = next(scans.glob("ct-*")), tmp_path / "out"
    assert call(model, scan, out, "--no-shift-check").exit_code == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert "results by --force" in refusal(monkeypatch, capsys, model, scan, out)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    assert call(model, scan, out, "--no-shift-check", "--force").exit_code == 0
