"""Many scans: results, tables, refusals, and that nothing is lost."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from scans import Bands, ct_blob, make_model, save_scan, tiny_settings, turned

from fedgin.errors import ConfigError, FedginError
from fedgin.predict import runner
from fedgin.predict.case import Choices
from fedgin.predict.inputs import find_inputs
from fedgin.predict.outputs import open_folder
from fedgin.predict.report import CaseReport
from fedgin.predict.runner import Progress, predict_all


def run(source: Path, out: Path, *, force: bool = False, **options: Any) -> list[CaseReport]:
    found = find_inputs(source)
    open_folder(out, found.inputs, source=source, force=force)
    options.setdefault("choices", Choices())
    return predict_all(make_model(), found, out, **options)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "volumes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_results_lie_on_the_scan_s_grid_and_are_the_user_s_alone(tmp_path: Path) -> None:
    scan = save_scan(tmp_path / "in/a.nii.gz", ct_blob(), turned((0.1, 0.2, 0.3)))
    out = tmp_path / "out"
    (report,) = run(scan, out, overlays=True)
    names = ["a.nii.gz", "a_labels.json", "a_overlay.png", "predictions.json", "volumes.csv"]
    assert sorted(contents(out)) == names
    assert sorted(report.files) == names[:3]
    label, image = nib.load(out / "a.nii.gz"), nib.load(scan)
    assert label.get_data_dtype() == np.uint8
    assert label.shape == image.shape
    assert np.array_equal(label.affine, image.affine)
    listed = json.loads((out / "a_labels.json").read_text())
    assert listed["labels"] == {"background": 0, "heart": 1}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    for name in names:
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    (row,) = rows(out)
    voxels = int(np.count_nonzero(np.asarray(label.dataobj)))
    assert row["voxels"] == str(voxels)
    assert float(row["volume_ml"]) == pytest.approx(voxels * 20 / 1000, abs=1e-3)


class StripedKidney(torch.nn.Module):
    """Liver wherever tissue is dark; bright tissue is kidney in every other five columns only."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        liver = (images > -0.9) & (images < 0.5)
        odd = torch.arange(images.shape[-1]) // 5 % 2 == 1
        kidney = (images >= 0.5) & odd
        nothing = torch.zeros_like(images)
        parts = {0: nothing + 0.5, 1: liver.float(), 4: kidney.float()}
        return torch.cat([parts.get(index, nothing) for index in range(7)], dim=1)


def test_a_structure_that_changes_with_the_scan_s_place_is_flagged_by_name(tmp_path: Path) -> None:
    settings = tiny_settings("abdomen", spacing=[None, None, None], ct_window=[-160, 240])
    assert settings.task.class_names[3] == "kidney_left"
    hu = np.full((30, 28, 12), -1000, np.int16)
    hu[2:26, 2:24, 1:11], hu[18:24, 18:22, 4:6] = 40, 200
    hu += np.random.default_rng(0).integers(0, 20, hu.shape).astype(np.int16)
    scan, out = save_scan(tmp_path / "in/a.nii", hu), tmp_path / "out"
    found = find_inputs(scan)
    open_folder(out, found.inputs, source=scan, force=False)
    model = make_model(settings, StripedKidney())
    (report,) = predict_all(model, found, out, choices=Choices())
    assert report.overall.agreement is not None
    assert report.overall.agreement > 0.95  # by which alone nothing would be said
    table = {row["organ"]: row for row in rows(out)}
    assert float(table["kidney_left"]["agreement"]) == 0
    assert "high_uncertainty: kidney_left" in table["liver"]["flags"].split(";")
    (case,) = json.loads((out / "predictions.json").read_text())["cases"]
    named = [flag["organs"] for flag in case["flags"] if flag["code"] == "high_uncertainty"]
    assert named == [["kidney_left"]]


def test_one_scan_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.nii.gz", "c.nii", "d.nii", "d.nii.gz"):
        save_scan(source / name, ct_blob())
    (source / "b.nii.gz").write_bytes((source / "a.nii.gz").read_bytes()[:-200])
    (source / "notes.txt").write_text("mine")
    seen: list[str] = []
    slices: list[tuple[int, int]] = []
    reports = run(
        source,
        out,
        progress=Progress(
            on_case=seen.append,
            on_slices=lambda done, total: slices.append((done, total)),
            on_result=lambda report: seen.append(f"{report.name} {report.failed}"),
        ),
    )
    outcome = {report.name: report.failed for report in reports}
    assert outcome == {"d.nii": True, "d.nii.gz": True, "a": False, "b": True, "c": False}
    assert seen[-6:] == ["a", "a False", "b", "b True", "c", "c False"]
    assert slices[-1] == (12, 12)
    assert not (out / "b.nii.gz").exists()
    assert not (out / "d.nii.gz").exists()
    table = [
        (row["case"], row["organ"], row["status"], row["volume_ml"] == "") for row in rows(out)
    ]
    assert [row[0] for row in table] == ["d.nii", "d.nii.gz", "a", "b", "c"]
    assert [row[2] == "failed" for row in table] == [row[3] for row in table]
    content = json.loads((out / "predictions.json").read_text())
    assert content["left_out"] == {"notes.txt": "neither NIfTI nor DICOM"}
    (problem,) = next(case for case in content["cases"] if case["name"] == "b")["problems"]
    assert "truncated" in problem
    assert "Mend:" in problem


def test_what_lies_there_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    save_scan(source / "a.nii", ct_blob())
    run(source, out)
    before = contents(out)
    with pytest.raises(ConfigError, match="--force"):
        run(source, out)
    assert contents(out) == before
    (out / "volumes.csv").unlink()
    (out / "predictions.json").unlink()
    with pytest.raises(ConfigError, match=r"a\.nii\.gz, a_labels\.json"):
        run(source, out)
    run(source, out, force=True)
    again = contents(out)
    for name in ("a.nii.gz", "a_labels.json", "volumes.csv"):
        assert again[name] == before[name]


def test_by_force_the_folder_holds_one_run_s_results_and_what_is_not_a_run_s(
    tmp_path: Path,
) -> None:
    one, two = (save_scan(tmp_path / f"in-{name}/{name}.nii", ct_blob()) for name in ("a", "b"))
    out = tmp_path / "out"
    run(one, out, overlays=True)
    (out / "mine.nii.gz").write_bytes(b"mine")
    run(two, out, force=True)
    names = ["b.nii.gz", "b_labels.json", "mine.nii.gz", "predictions.json", "volumes.csv"]
    assert list(contents(out)) == names
    assert [row["case"] for row in rows(out)] == ["b"]
    assert (out / "mine.nii.gz").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "report",
    [
        "{",
        "{}",
        '{"cases": [{"name": "a"}]}',
        '{"cases": [{"files": ["a.nii.gz", "../other.nii.gz"]}]}',
        '{"cases": [{"files": ["a.nii.gz", "notes.txt"]}]}',
        '{"cases": [{"files": ["a.nii.gz", "link.nii.gz"]}]}',
        '{"cases": [{"files": ["a.nii.gz", 5]}]}',
    ],
)
def test_by_force_nothing_goes_where_the_earlier_run_s_files_cannot_be_told(
    report: str, tmp_path: Path
) -> None:
    scan, out = save_scan(tmp_path / "in/a.nii", ct_blob()), tmp_path / "out"
    run(scan, out)
    (out / "notes.txt").write_text("mine")
    (tmp_path / "other.nii.gz").write_bytes(b"other")
    (out / "link.nii.gz").symlink_to(tmp_path / "other.nii.gz")
    (out / "predictions.json").write_text(report)
    before = contents(out)
    with pytest.raises(FedginError, match=r"predictions\.json"):
        run(scan, out, force=True)
    assert contents(out) == before
    assert (tmp_path / "other.nii.gz").read_bytes() == b"other"


def test_a_scan_that_fails_now_keeps_no_result_of_an_earlier_run(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    scan = save_scan(source / "a.nii", ct_blob())
    run(source, out, overlays=True)
    scan.write_bytes(scan.read_bytes()[:400])
    (report,) = run(source, out, force=True)
    assert report.failed
    assert sorted(contents(out)) == ["predictions.json", "volumes.csv"]


def test_the_scans_own_folder_takes_no_results(tmp_path: Path) -> None:
    scan = save_scan(tmp_path / "in/a.nii.gz", ct_blob())
    before = contents(tmp_path / "in")
    for source, out in ((scan, scan.parent), (scan.parent, tmp_path / "in/../in"), (scan, scan)):
        with pytest.raises(ConfigError, match="OUT must be a folder"):
            run(source, out, force=True)
    assert contents(tmp_path / "in") == before


def test_a_result_that_cannot_be_written_leaves_no_half_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    save_scan(source / "a.nii", ct_blob())
    save_scan(source / "b.nii", ct_blob())

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, os.strerror(28), str(out / "a.nii.gz"))

    with monkeypatch.context() as patch:
        patch.setattr("fedgin.predict.outputs.write_label", full)
        reports = run(source, out)
    assert [report.problems for report in reports] == [
        (f"{out}/a.nii.gz: No space left on device",)
    ] * 2
    assert sorted(contents(out)) == ["predictions.json", "volumes.csv"]


def test_the_scan_s_voxels_are_gone_while_the_network_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory: of a long CT they are a gigabyte."""
    import gc
    import weakref

    from fedgin.predict import case, scan

    arrays: list[weakref.ref[np.ndarray]] = []
    read = scan.read_nifti

    def remember(*arguments: Any, **options: Any) -> Any:
        volume = read(*arguments, **options)
        arrays.append(weakref.ref(volume.array))
        return volume

    alive: list[bool] = []
    iterate = case.iter_probabilities

    def look(*arguments: Any, **options: Any) -> Any:
        gc.collect()
        alive.append(arrays[0]() is not None)
        return iterate(*arguments, **options)

    monkeypatch.setattr(scan, "read_nifti", remember)
    monkeypatch.setattr(case, "iter_probabilities", look)
    file = save_scan(tmp_path / "a.nii", ct_blob())
    found = find_inputs(file)
    open_folder(tmp_path / "out", found.inputs, source=file, force=False)
    runner.predict_all(make_model(network=Bands(-1, 0)), found, tmp_path / "out", choices=Choices())
    assert alive == [False]


def test_a_run_that_is_stopped_reports_what_it_did(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.nii", "b.nii"):
        save_scan(source / name, ct_blob())

    def stop(name: str) -> None:
        if name == "b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, out, progress=Progress(on_case=stop))
    assert [row["case"] for row in rows(out)] == ["a"]
    assert (out / "a.nii.gz").is_file()
    assert not (out / "b.nii.gz").exists()
