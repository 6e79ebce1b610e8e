"""`fedgin ledger` as a site's officer runs it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedgin.cli import build_app
from fedgin.errors import DataError
from fedgin.ledger.book import append, ledger_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The ledger of a kit: two jobs with an answer each, and other messages."""
    made = ledger_file(tmp_path / "kit/ledger", "here")
    for job in ("first", "second"):
        answer = {"site": "here", "job": job, "event": "answer", "task": "train", "round": 1}
        answer |= {"code": "OK", "kind": "WEIGHT_DIFF", "bytes": 4711, "filters": ["Noise"]}
        append(made, answer)
    counts = {"wire": {"a/b": {"messages": 3, "bytes": 815}}}
    append(made, {"site": "here", "job": "first", "event": "messages", "messages": counts})
    return made


def show(*arguments: str) -> str:
    result = CliRunner().invoke(build_app(), ["ledger", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_shows_answers_messages_and_what_is_not_seen(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = show(str(file.parents[1]))
    assert shown.count("4711") == 2
    assert "Noise" in shown
    assert "815" in shown
    assert "Not in the ledger" in shown
    assert hashlib.sha256(file.read_bytes().splitlines()[-1]).hexdigest() in shown


def test_json_holds_every_entry_of_the_job_asked_for(file: Path) -> None:
    document = json.loads(show(str(file), "--json", "--job", "fir"))
    assert [entry["event"] for entry in document["entries"]] == ["answer", "messages"]
    assert document["file"] == str(file)


def test_a_changed_ledger_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace("4711", "4712", 1))
    with pytest.raises(DataError, match="line 2"):
        show(str(file))
