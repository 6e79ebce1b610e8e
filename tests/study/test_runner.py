"""Runs that fail, are interrupted or are killed do not take the others with them."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from small_study import SMALL, run_study

from fedgin.errors import DataError
from fedgin.study.build import StudyRequest, define_study
from fedgin.study.outcome import Outcome, load_outcome, load_rows, save_outcome
from fedgin.study.pooled_run import load_model
from fedgin.study.record import collect_rows
from fedgin.study.rows import Row
from fedgin.study.runner import describe

LOCAL = ("--sites", "site-1,site-2", "--regimes", "local", "--augmentations", "none", *SMALL)


def row(seed: int = 0, patient: str = "0123456789ab") -> Row:
    return Row(
        regime="local",
        augmentation="none",
        algorithm="",
        seed=seed,
        train_sites="a",
        test_site="a",
        role="training",
        modality="CT",
        patient=patient,
        class_name="heart",
        metric="dice",
        value=0.5,
        status="measured",
    )


def test_one_failed_run_is_reported_and_the_others_are_kept(
    study_sites: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    blocked = folder / "runs" / "local_none_seed0_site-1"
    first = run_study(folder, (*LOCAL, "--seeds", "1"), site_configs=study_sites)
    assert first.code == 0, first.output
    # Where the folder of the second seed's run should be made there is a file.
    (folder / "runs" / "local_none_seed1_site-1").write_text("in the way")
    second = run_study(folder, (*LOCAL, "--seeds", "2"), site_configs=study_sites)
    assert second.code == 1
    assert "3 of 4 runs" in second.output
    assert "FAILED local_none_seed1_site-1" in second.output
    assert {entry.seed for entry in second.rows} == {0, 1}
    failed = [run for run in second.record["runs"] if run["status"] == "failed"]
    assert [run["id"] for run in failed] == ["local_none_seed1_site-1"]
    assert "local_none_seed1_site-1" in (folder / "report.html").read_text()
    assert blocked.is_dir()
    # The cause is gone: the same command makes up for it, and for that run alone.
    (folder / "runs" / "local_none_seed1_site-1").unlink()
    third = run_study(folder, (*LOCAL, "--seeds", "2"), site_configs=study_sites)
    assert third.code == 0, third.output
    assert third.output.count("done before") == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_study_goes_on_where_it_stopped(
    study_sites: Path, tmp_path: Path, how: signal.Signals
) -> None:
    folder = tmp_path / "out"
    command = Path(sys.executable).parent / "fedgin"
    arguments = (*LOCAL, "--seeds", "4", "--workers", "1")
    process = subprocess.Popen(
        [str(command), "study", "--out", str(folder), *arguments],
        env={**os.environ, "FEDGIN_SITE_CONFIGS": str(study_sites)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Tests in a shell's background inherit an ignored SIGINT, and so would the study.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("runs/*/run.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, how)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "the same command goes on" in output
    finished = {file.parent.name for file in folder.glob("runs/*/run.json")}
    assert 0 < len(finished) < 8
    again = run_study(folder, arguments, site_configs=study_sites)
    assert again.code == 0, again.output
    assert again.output.count("done before") == len(finished)
    assert len({(entry.seed, entry.train_sites) for entry in again.rows}) == 8


def test_killed_worker_is_tried_again(study_sites: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    command = Path(sys.executable).parent / "fedgin"
    process = subprocess.Popen(
        [str(command), "study", "--out", str(folder), *LOCAL, "--workers", "1"],
        env={**os.environ, "FEDGIN_SITE_CONFIGS": str(study_sites)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    # A run's folder appears when its worker has begun to train.
    while not list(folder.glob("runs/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    for worker in _workers(process.pid):
        os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    assert "2 of 2 runs" in output


def _workers(parent: int) -> list[int]:
    """Finds the spawned worker processes of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            line = (folder / "cmdline").read_text()
        except OSError:
            continue
        if int(stat.rsplit(")", 1)[1].split()[1]) == parent and "spawn_main" in line:
            found.append(int(folder.name))
    return found


FULL_DISK = """
import json, resource, sys
from pathlib import Path
from fedgin.study.outcome import Outcome, save_outcome
from fedgin.study.rows import Row
rows = [Row(**fields) for fields in json.loads(sys.argv[2])]
# No file may grow beyond 100 bytes: the disk is as good as full.
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    save_outcome(Path(sys.argv[1]), Outcome(status="done", seconds=2.0), rows)
except OSError as error:
    sys.exit(f"refused: {error.filename}: {error.strerror}")
"""


def save_on_a_full_disk(folder: Path, *rows: Row) -> str:
    """Saves an outcome in a process that cannot write; returns what it said."""
    fields = json.dumps([asdict(row) for row in rows])
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder), fields],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stderr


def test_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    said = save_on_a_full_disk(tmp_path, row())
    assert f"refused: {tmp_path / 'rows.csv'}: File too large" in said
    assert list(tmp_path.iterdir()) == []
    assert load_outcome(tmp_path) is None


def test_full_disk_at_the_start_of_a_study_is_told_by_path(
    study_sites: Path, tmp_path: Path
) -> None:
    command = Path(sys.executable).parent / "fedgin"
    result = subprocess.run(
        [str(command), "study", "--out", str(tmp_path / "out"), *LOCAL],
        env={**os.environ, "FEDGIN_SITE_CONFIGS": str(study_sites)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert result.returncode == 2
    file = tmp_path / "out" / "sites" / "site-1.yaml"
    assert f"fedgin: {file}: " in result.stderr
    assert "File too large. Mend: make it smaller" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_s_failure_names_a_path_even_where_the_system_does_not(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert describe(error, tmp_path) == f"{tmp_path}: No space left on device"


def test_full_disk_keeps_the_earlier_outcome(tmp_path: Path) -> None:
    save_outcome(tmp_path, Outcome(status="done", seconds=1.0), [row()])
    assert "File too large" in save_on_a_full_disk(tmp_path, row(seed=1), row(seed=2))
    outcome = load_outcome(tmp_path)
    assert outcome is not None
    assert outcome.seconds == 1.0
    assert load_rows(tmp_path) == [row()]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", "{"),
        ("run.json", '{"status": "done", "colour": "red"}'),
        ("rows.csv", "regime,augmentation\n"),
        ("rows.csv", None),
    ],
)
def test_damaged_run_counts_as_not_finished(file: str, content: str | None, tmp_path: Path) -> None:
    save_outcome(tmp_path, Outcome(status="done"), [row()])
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    assert load_outcome(tmp_path) is None


def test_run_that_lost_a_row_counts_as_not_finished(tmp_path: Path) -> None:
    save_outcome(tmp_path, Outcome(status="done"), [row(), row(patient="ba9876543210")])
    assert load_outcome(tmp_path) is not None
    file = tmp_path / "rows.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert load_outcome(tmp_path) is None


def test_run_from_before_rows_were_counted_is_taken_as_it_is(tmp_path: Path) -> None:
    save_outcome(tmp_path, Outcome(status="done"), [row()])
    file = tmp_path / "run.json"
    values = json.loads(file.read_text())
    for name in ("row_count", "command", "version"):
        del values[name]
    file.write_text(json.dumps(values))
    outcome = load_outcome(tmp_path)
    assert outcome is not None
    assert outcome.status == "done"


def test_run_with_half_a_model_counts_as_not_finished(tmp_path: Path) -> None:
    save_outcome(tmp_path, Outcome(status="done"), [row()])
    model = tmp_path / "last_model.pt"
    torch.save({"model": {"weight": torch.zeros(1000)}}, model)
    assert load_outcome(tmp_path) is not None
    assert load_model(model)["weight"].shape == (1000,)
    model.write_bytes(model.read_bytes()[:2000])
    assert load_outcome(tmp_path) is None
    with pytest.raises(DataError, match=r"last_model\.pt: the model of a finished run can be read"):
        load_model(model)


def test_rows_of_other_runs_in_the_folder_are_left_out(tmp_path: Path) -> None:
    definition = define_study(
        StudyRequest(task="heart", folder=tmp_path, regimes=["local"], augmentations=["none"])
    )
    run = definition.runs[0]
    save_outcome(definition.run_folder(run), Outcome(status="done"), [row()])
    save_outcome(definition.run_folder("local_gin_seed0_a"), Outcome(status="done"), [row(seed=1)])
    assert collect_rows(definition) == [row()]
