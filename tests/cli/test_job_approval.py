"""`fedgin job hash` and `fedgin job approve`: the site officer's commands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedgin.approval.approved_list import read_approved
from fedgin.approval.job_apps import job_apps
from fedgin.cli import build_app, main
from fedgin.jobs.export import export_job


@pytest.fixture
def job(repository: Path, tmp_path: Path) -> Path:
    return export_job(repository / "jobs" / "fed_gin_heart", tmp_path / "heart", byoc=False)


def call(*arguments: object) -> Result:
    command = [str(argument) for argument in arguments]
    return CliRunner().invoke(build_app(), ["job", *command], catch_exceptions=False)


def test_the_hash_is_printed_and_approved(job: Path, tmp_path: Path) -> None:
    (app,) = job_apps(job)
    result = call("hash", job)
    assert result.exit_code == 0
    assert result.output == f"{app.sha256}  app for @ALL\n"
    approved = tmp_path / "approved_code.txt"
    note = "A. Officer, 2026-03-01"
    for said in ("approved in", "was approved before"):
        result = call("approve", job, "--list", approved, "--note", note)
        assert result.exit_code == 0
        assert f"{app.sha256}  {said}" in result.output
        assert read_approved(approved) == {app.sha256: note}


def test_a_printed_line_is_a_line_of_the_list(job: Path, tmp_path: Path) -> None:
    approved = tmp_path / "approved_code.txt"
    approved.write_text(call("hash", job).output)
    assert list(read_approved(approved)) == [job_apps(job)[0].sha256]


def test_one_changed_setting_prints_another_hash(job: Path) -> None:
    before = call("hash", job).output
    file = job / "app" / "config" / "training.json"
    text = file.read_text()
    file.write_text(re.sub(r"(\d)", lambda found: str((int(found[1]) + 1) % 10), text, count=1))
    assert file.read_text() != text
    assert call("hash", job).output != before


def test_a_job_that_was_not_exported_is_told(repository: Path) -> None:
    result = call("hash", repository / "jobs" / "fed_gin_heart")
    assert result.exit_code == 0
    assert "fedgin job export" in result.output


def test_a_fault_is_told_without_a_traceback(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (job / "app" / "link").symlink_to("/etc/hostname")
    monkeypatch.setattr(sys, "argv", ["fedgin", "job", "hash", str(job)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert "a symbolic link" in printed
    assert "Traceback" not in printed
