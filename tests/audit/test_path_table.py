"""The audit's row of paths: its bound holds, and fails where the confinement is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.audit import path_table
from fedgin.audit.path_rows import BAD, GOOD
from fedgin.confined import ConfinedFolder
from fedgin.errors import DataError, Problem


def test_all_bad_paths_are_refused_and_all_good_ones_accepted(tmp_path: Path) -> None:
    row = path_table.run(folder=tmp_path, seed=0)
    figures = {figure.name: figure.value for figure in row.defended + row.without}
    assert row.holds
    assert len(set(BAD)) + len(set(GOOD)) >= 100
    assert figures["bad paths"] == len(set(BAD)) >= 60
    assert figures["bad paths accepted"] == 0
    assert figures["good paths"] == len(set(GOOD))
    assert figures["good paths refused"] == 0
    assert figures["bad paths that os.path.join accepts"] == len(BAD)
    assert figures["of these, lead to a file elsewhere"] >= 15
    assert row.seconds < 10


def test_the_bound_fails_without_the_confinement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConfinedFolder, "file", lambda self, name, where: self.root / name)
    row = path_table.run(folder=tmp_path, seed=0)
    assert not row.holds
    assert {f.name: f.value for f in row.defended}["bad paths accepted"] == len(BAD)


def test_the_bound_fails_where_everything_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ConfinedFolder, name: str, where: str) -> Path:
        raise DataError(Problem("a", "b", "c", "d"))

    monkeypatch.setattr(ConfinedFolder, "file", refuse)
    assert not path_table.run(folder=tmp_path, seed=0).holds
