"""Tables of figures lose no digit, however narrow the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from fedgin.cli.tables import print_whole


@pytest.mark.parametrize("columns", ["40", "80", "300"])
def test_no_figure_and_no_name_is_cut(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    names = [f"kidney_{side}_{number}" for side in ("right", "left") for number in range(6)]
    table = Table("model", *names)
    table.add_row("best (round 12)", *(f"0.{number:03d}" for number in range(len(names))))
    print_whole(Console(), table)
    header, row = capsys.readouterr().out.splitlines()[1:4:2]
    assert [cell.strip() for cell in header.strip("┃").split("┃")] == ["model", *names]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "best (round 12)",
        *(f"0.{number:03d}" for number in range(len(names))),
    ]
