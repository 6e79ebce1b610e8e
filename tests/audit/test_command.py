"""Choosing rows, running them and showing them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedgin.audit.registry import ROWS, choose_rows
from fedgin.audit.row import AuditRow, Figure
from fedgin.audit.runner import run_row, run_rows
from fedgin.audit.table import as_json, figure_text
from fedgin.cli import build_app
from fedgin.errors import ConfigError


def row(*, holds: bool = True, value: float = 0.5) -> AuditRow:
    return AuditRow(
        attack="an attack",
        without=(Figure("open", value, "dB", interval=(0.25, 0.75)),),
        defended=(Figure("shut", 2.0),),
        bound="a bound",
        holds=holds,
        seconds=1.5,
    )


def test_no_name_means_all_rows_and_names_come_in_the_order_of_the_table() -> None:
    assert choose_rows([]) == tuple(ROWS)
    assert choose_rows(["utility", "inversion"]) == ("inversion", "utility")


def test_an_unknown_row_is_refused_and_the_nearest_is_named() -> None:
    with pytest.raises(ConfigError, match=r"backdor.*backdoor"):
        choose_rows(["backdor", "utility"])


def test_the_command_says_so_too() -> None:
    result = CliRunner().invoke(build_app(), ["audit", "--only", "backdor"])
    assert isinstance(result.exception, ConfigError)


def test_a_figure_is_written_with_unit_and_interval() -> None:
    assert figure_text(row().without[0]) == "open: 0.5 dB [0.25, 0.75]"
    assert figure_text(Figure("name", math.nan)) == "name: none"
    assert figure_text(Figure("count", 2000.0)) == "count: 2000"
    assert figure_text(Figure("small", 0.01234)) == "small: 0.0123"


def test_one_broken_bound_breaks_the_report() -> None:
    report = as_json({"a": row(), "b": row(holds=False)}, seed=3, seconds=4.0)
    assert report["holds"] is False
    assert as_json({"a": row()}, seed=3, seconds=4.0)["holds"] is True


def test_json_has_the_figures_and_null_for_what_is_not_a_number() -> None:
    report = as_json({"a": row(value=math.nan)}, seed=3, seconds=4.0)
    assert report["rows"]["a"]["without"] == [
        {"name": "open", "value": None, "unit": "dB", "interval": [0.25, 0.75]}
    ]
    assert report["rows"]["a"]["defended"][0]["value"] == 2.0


def test_a_row_that_breaks_off_in_its_own_process_keeps_its_words(
    tmp_path: Path,
) -> None:
    (tmp_path / "a file").write_text("")
    broken = run_row("utility", folder=tmp_path / "a file", seed=0)
    assert not broken.holds
    assert "FileExistsError" in broken.bound


@pytest.mark.slow
def test_a_row_that_breaks_off_has_failed_and_says_why(tmp_path: Path) -> None:
    told = []
    rows = run_rows(
        ["no such row"],
        folder=tmp_path,
        seed=0,
        workers=1,
        on_row=lambda name, found: told.append((name, found)),
    )
    assert not rows["no such row"].holds
    assert "KeyError" in rows["no such row"].bound
    assert told == list(rows.items())
