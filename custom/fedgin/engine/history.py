"""A site's own history of a run, round by round, on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from fedgin.documents import RECORD, parse_json
from fedgin.files import read_bounded, write_atomically


def note_round(file: Path, *, round_number: int, values: Mapping[str, float]) -> None:
    """Adds a round's numbers to the file; a round that is repeated replaces its own.

    Args:
        file: The JSON file; it is made where it is missing, and its folder too.
        round_number: The round, from 0.
        values: Numbers by name; what is not finite becomes null.
    """
    history = read_history(file)
    history[round_number] = {
        name: value if math.isfinite(value) else None for name, value in values.items()
    }
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {str(number): history[number] for number in sorted(history)}
    write_atomically(file, json.dumps(content, indent=1).encode())


def read_history(file: Path) -> dict[int, dict[str, float | None]]:
    """Reads what `note_round` wrote, by round; empty where there is no file."""
    if not file.is_file():
        return {}
    return {
        int(number): values
        for number, values in parse_json(
            read_bounded(file, limit=RECORD.size), bounds=RECORD
        ).items()
    }
