"""A site's state belongs to a run, whatever job trains it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fedgin.engine.lineage import join_lineage, joined_lineage, prune_lineages
from fedgin.errors import ConfigError

A, B = "a" * 32, "b" * 32


def test_later_processes_know_the_run(tmp_path: Path) -> None:
    assert joined_lineage(tmp_path) is None
    join_lineage(tmp_path, A)
    assert joined_lineage(tmp_path) == A
    join_lineage(tmp_path, B)
    assert joined_lineage(tmp_path) == B


@pytest.mark.parametrize("name", ["../../etc", "A" * 32, "a" * 31, "", "a" * 32 + "\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="32 hexadecimal digits"):
        join_lineage(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_old_runs_are_removed_and_nothing_else(tmp_path: Path) -> None:
    long_ago = time.time() - 31 * 86_400
    for name in (A, B, "c" * 32, "a users own folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state").write_text("x")
    for name in (A, B, "a users own folder"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    assert prune_lineages(tmp_path, days=30, keep=B) == [A]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a users own folder", B, "c" * 32]
    assert prune_lineages(tmp_path / "missing", days=30, keep=B) == []
