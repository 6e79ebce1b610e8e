"""A site's history survives process swaps and repeated rounds."""

from __future__ import annotations

import math
from pathlib import Path

from fedgin.engine.history import note_round, read_history


def test_rounds_add_up_and_a_repeated_one_replaces_its_own(tmp_path: Path) -> None:
    file = tmp_path / "run" / "history.json"
    assert read_history(file) == {}
    note_round(file, round_number=0, values={"loss": 0.9})
    note_round(file, round_number=10, values={"loss": 0.2})
    note_round(file, round_number=2, values={"loss": 0.5})
    note_round(file, round_number=10, values={"loss": 0.1})
    assert read_history(file) == {0: {"loss": 0.9}, 2: {"loss": 0.5}, 10: {"loss": 0.1}}
    assert list(read_history(file)) == [0, 2, 10]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    note_round(file, round_number=0, values={"loss": math.nan})
    assert read_history(file) == {0: {"loss": None}}
