"""`fedgin doctor` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from fedgin.cli import build_app, main
from fedgin.doctor.finding import DoctorReport

CANARY = "Zwolle_Jan-19560229"
TINY = [
    part
    for text in (
        "channels=[4,8]",
        "patch_size=[32,32]",
        "batch_size=2",
        "steps_per_round=2",
        "spacing=[5.0,5.0,null]",
    )
    for part in ("--set", text)
]
CHECKS = [
    "site file",
    "data",
    "memory",
    "disk",
    "network",
    "certificates",
    "code approval",
    "leaving",
    "clock",
    "versions",
    "forecast",
]


def write_site(folder: Path, *, sound: bool = True) -> Path:
    """A site with four patients, one of whom has a name to look for."""
    for number, name in enumerate([CANARY, "p1", "p2", "p3"]):
        generator = np.random.default_rng(number)
        image = generator.uniform(-1000, 400, (20, 20, 8)).astype(np.float32)
        label = np.zeros((20, 20, 8), dtype=np.uint8)
        label[5:15, 5:15, 2:6] = 1 if sound or number else 9
        label[5, 5, 2 : 2 + number] = 0  # no two patients have the same heart
        for kind, array in (("im", image), ("la", label)):
            (folder / "data" / kind).mkdir(parents=True, exist_ok=True)
            affine = np.diag([4.0, 4.0, 5.0, 1.0])
            nib.save(nib.Nifti1Image(array, affine), folder / f"data/{kind}/{name}.nii.gz")
    content = {
        "modality": "CT",
        "dataset": {
            "kind": "glob",
            "root": str(folder / "data"),
            "images": "im/*.nii.gz",
            "labels": "la/*.nii.gz",
        },
        "labels": {"heart": 1},
        "cache": {"folder": str(folder / "cache"), "quota_gb": 0.1},
        "device": "cpu",
        "threads": 1,
    }
    file = folder / "hospital-a.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_sound_site_passes_with_json(tmp_path: Path) -> None:
    file = write_site(tmp_path)
    arguments = ["doctor", "--site-config", str(file), "--json", *TINY]
    result = CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stdout
    report = DoctorReport.model_validate(json.loads(result.stdout))
    assert report.passed
    assert (report.site, report.task) == ("hospital-a", "heart")
    assert list(dict.fromkeys(finding.check for finding in report.findings)) == CHECKS
    forecast = {f.name: f.values for f in report.findings if f.check == "forecast"}
    assert float(forecast["time per round"]["round_seconds"] or 0) > 0
    assert float(forecast["bytes per round"]["up_bytes"] or 0) > 1000
    assert {
        f.status for f in report.findings if f.check in ("network", "certificates", "leaving")
    } == {"skipped"}


def test_the_command_starts_without_torch_whose_threads_a_site_sets() -> None:
    code = "import sys, fedgin.cli; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_the_installed_command_exits_with_1_and_names_no_patient(
    as_json: bool, tmp_path: Path
) -> None:
    file = write_site(tmp_path, sound=False)
    command = [Path(sys.executable).parent / "fedgin", "doctor", "--site-config", file, *TINY]
    done = subprocess.run(
        [*command, *(["--json"] if as_json else [])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert ("{" in done.stdout) == as_json
    for text in (done.stdout, done.stderr):
        for part in ("zwolle", "19560229", str(tmp_path / "data")):
            assert part not in text.lower()
    if as_json:
        report = json.loads(done.stdout)
        failures = [f for f in report["findings"] if f["status"] == "failed"]
        assert [f["check"] for f in failures] == ["data"]
        assert "9 (400 voxels)" in failures[0]["found"]
        # The checks after it ran all the same.
        assert report["findings"][-1]["name"] == "bytes per round"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--site-config", "none.yaml"], "no such file"),
        (["--site-config", "notes.txt"], "the suffix '.txt'"),
        (["--site-config", "a b.yaml"], "letters, digits"),
        (["--site-config", "hospital-a.yaml", "--kit", "empty"], "no startup/fed_client.json"),
        (["--site-config", "hospital-a.yaml", "--time-server", "a:b:"], "host:port"),
        (["--site-config", "hospital-a.yaml", "--task", "hart"], "did you mean 'heart'?"),
        (["--site-config", "hospital-a.yaml", "--set", "chanels=[4]"], "did you mean 'channels'?"),
        (["--site-config", "hospital-a.yaml", "--job", "empty"], "training.json"),
    ],
)
def test_unfit_arguments_are_refused_with_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("hospital-a.yaml", "a b.yaml", "notes.txt"):
        (tmp_path / name).write_text("modality: CT\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fedgin", "doctor", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert "Mend: " in printed.err
