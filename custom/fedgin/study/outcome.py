"""What a run left in its folder: rows, model, learning curve, and whether it went well."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fedgin.errors import ConfigError
from fedgin.files import write_atomically
from fedgin.study.rows import Row, read_rows, write_rows

OUTCOME_FILE, ROWS_FILE, MODEL_FILE, LOG_FILE = "run.json", "rows.csv", "last_model.pt", "log.txt"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: `done` or `failed`.
        error: What went wrong, in words.
        seconds: Wall time.
        steps: Optimizer steps, of all its sites together.
        loss: Mean training loss of each round.
        validation: Validation score after 0, 1, ... rounds; None where nothing was measured.
        code: Hash of the package that ran.
        version: Version of the package that ran.
        command: The command that made the run, as the user typed it.
        row_count: Number of the run's rows; None in a file from before it was kept.
    """

    status: Literal["done", "failed"]
    error: str = ""
    seconds: float = 0.0
    steps: int = 0
    loss: list[float] = field(default_factory=list)
    validation: list[float | None] = field(default_factory=list)
    code: str = ""
    version: str = ""
    command: str = ""
    row_count: int | None = None


def save_outcome(folder: Path, outcome: Outcome, rows: Sequence[Row] = ()) -> None:
    """Writes a run's rows and, last of all, its outcome: a run without one is not finished.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if outcome.status == "done":
        write_rows(folder / ROWS_FILE, rows)
        outcome = replace(outcome, row_count=len(rows))
    write_atomically(folder / OUTCOME_FILE, json.dumps(asdict(outcome), indent=1).encode())


def load_outcome(folder: Path) -> Outcome | None:
    """Reads how a run ended; None where it was never finished or its files are damaged."""
    try:
        values: dict[str, Any] = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
        outcome = Outcome(**values)
        if outcome.status == "done" and not _whole(folder, outcome):
            return None
    except (OSError, ValueError, TypeError, ConfigError):
        return None
    return outcome


def _whole(folder: Path, outcome: Outcome) -> bool:
    """Says whether a run's files are all that they were; rows that are damaged raise."""
    rows = load_rows(folder)
    model = folder / MODEL_FILE
    # What torch saves is a zip archive, whose list of contents stands at its end.
    return outcome.row_count in (None, len(rows)) and (
        not model.exists() or zipfile.is_zipfile(model)
    )


def load_rows(folder: Path) -> list[Row]:
    """Reads the rows of a finished run."""
    return read_rows(folder / ROWS_FILE)
