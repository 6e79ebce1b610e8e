"""A study that grew tells every command that it grew by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgin.study.record import all_commands


def test_the_commands_of_every_start_are_kept_once(tmp_path: Path) -> None:
    assert all_commands(tmp_path, "first") == ["first"]
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"command": "first"}))  # as before there was a list
    assert all_commands(tmp_path, "second") == ["first", "second"]
    file.write_text(json.dumps({"command": "second", "commands": ["first", "second"]}))
    assert all_commands(tmp_path, "first") == ["second", "first"]


def test_a_damaged_record_is_said_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "results.json").write_text("{")
    assert all_commands(tmp_path, "again") == ["again"]
    assert "earlier commands are lost" in caplog.text
