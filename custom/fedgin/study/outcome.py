"""What a run left in its folder: rows, model, learning curve, and whether it went well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
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
    """

    status: Literal["done", "failed"]
    error: str = ""
    seconds: float = 0.0
    steps: int = 0
    loss: list[float] = field(default_factory=list)
    validation: list[float | None] = field(default_factory=list)
    code: str = ""


def save_outcome(folder: Path, outcome: Outcome, rows: Sequence[Row] = ()) -> None:
    """Writes a run's rows and, last of all, its outcome: a run without one is not finished.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if outcome.status == "done":
        write_rows(folder / ROWS_FILE, rows)
    write_atomically(folder / OUTCOME_FILE, json.dumps(asdict(outcome), indent=1).encode())


def load_outcome(folder: Path) -> Outcome | None:
    """Reads how a run ended; None where it was never finished or its files are damaged."""
    try:
        values: dict[str, Any] = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
        outcome = Outcome(**values)
        if outcome.status == "done":
            load_rows(folder)
    except (OSError, ValueError, TypeError, ConfigError):
        return None
    return outcome


def load_rows(folder: Path) -> list[Row]:
    """Reads the rows of a finished run."""
    return read_rows(folder / ROWS_FILE)
