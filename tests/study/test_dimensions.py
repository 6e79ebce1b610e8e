"""2D against 3D: one grid, one budget, every site measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from fedgin.cli.compare_dims import compare_dims, parse_dims
from fedgin.errors import ConfigError
from fedgin.settings import TrainingSettings, make_settings
from fedgin.sites.lookup import Site
from fedgin.study.dimensions import compare_dimensions, dimension_settings
from fedgin.tasks import TASKS

NAMES = ("site-1", "site-2")


def tiny(**more: object) -> TrainingSettings:
    values = {
        "task": "abdomen",
        "spatial_dims": 3,
        "spacing": [8.0, 8.0, 8.0],
        "channels": [4, 8],
        "patch_size": [16, 32, 32],
        "batch_size": 1,
        "steps_per_round": 2,
        **more,
    }
    return make_settings(**values).training


def test_both_are_trained_on_one_grid_each_with_its_own_patch() -> None:
    base = make_settings(task="abdomen", channels=[16, 32, 64, 128, 128]).training
    flat, deep = (dimension_settings(base, dims) for dims in (2, 3))
    assert flat.geometry.spacing == deep.geometry.spacing == (4.0, 4.0, 4.0)
    assert flat.geometry.channels == (16, 32, 64, 128, 128)
    assert flat.geometry.patch_size == TASKS["abdomen"].geometry[2].patch_size
    assert deep.geometry == TASKS["abdomen"].geometry[3]


def test_each_model_is_measured_on_each_site_after_the_same_steps(
    load: Callable[[str], Site], tmp_path: Path
) -> None:
    told: list[str] = []
    results = list(
        compare_dimensions(
            [load(name) for name in NAMES],
            base=tiny(),
            dims=(2, 3),
            seeds=(0,),
            rounds=1,
            folder=tmp_path,
            on_run=told.append,
        )
    )
    assert [(r.dims, r.site) for r in results] == [(d, n) for d in (2, 3) for n in NAMES]
    assert {r.steps for r in results} == {4}  # two steps a site
    assert told == ["2d-0: 4 steps", "3d-0: 4 steps"]
    for result in results:
        assert list(result.dice) == list(TASKS["abdomen"].class_names)


def test_a_time_sets_the_steps_and_the_table_shows_them(
    load: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    console = Console(record=True, width=200)
    compare_dims(
        console,
        [load("site-1")],
        base=tiny(),
        dims=(3,),
        seeds=1,
        rounds=1,
        minutes=0.02,
    )
    said = console.export_text()
    row = next(line for line in said.splitlines() if "site-1 CT" in line)
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells[:2] == ["3D", "site-1 CT"]
    assert int(cells[-2]) >= 1
    trained = re.search(r"training 3d-0: (\d+) steps", said)
    assert trained
    assert trained.group(1) == cells[-2]
    assert "equal wall time, 0.02 minutes of steps for each model; 1 seeds" in said


@pytest.mark.parametrize("text", ["", "4", "2,2", "2;3", "two"])
def test_dimensions_other_than_2_and_3_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write 2,3"):
        parse_dims(text)


def test_dimensions_are_read_in_the_order_given() -> None:
    assert parse_dims("3, 2") == (3, 2)
    assert parse_dims("2") == (2,)
