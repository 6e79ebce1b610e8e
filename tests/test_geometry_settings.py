"""A change of dimensions takes the settings of the other dimensions with it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fedgin.geometry_settings import GEOMETRY_KEYS, lay_over
from fedgin.settings import make_settings
from fedgin.tasks import TASKS

BASE: dict[str, Any] = {
    "task": "abdomen",
    "spatial_dims": 2,
    "channels": [16, 32, 64, 128, 128],
    "patch_size": [160, 160],
    "spacing": [1.5, 1.5, None],
    "batch_size": 12,
    "learning_rate": 0.004,
}


def test_what_was_chosen_for_2d_gives_way_to_the_tasks_3d(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    found = make_settings(**lay_over(BASE, {"spatial_dims": 3}))
    assert found.geometry == TASKS["abdomen"].geometry[3]
    assert found.training.learning_rate == 0.004
    for words in ("spatial_dims is 3", "patch_size [160, 160]", "batch_size 12"):
        assert words in caplog.text


def test_what_the_user_sets_is_kept() -> None:
    over = {"spatial_dims": 3, "patch_size": [32, 96, 96], "channels": [8, 16, 32]}
    found = make_settings(**lay_over(BASE, over)).geometry
    assert found.patch_size == (32, 96, 96)
    assert found.channels == (8, 16, 32)
    assert found.batch_size == TASKS["abdomen"].geometry[3].batch_size


@pytest.mark.parametrize("over", [{}, {"spatial_dims": 2}, {"learning_rate": 0.1}], ids=str)
def test_without_a_change_of_dimensions_nothing_is_left_out(
    over: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert lay_over(BASE, over) == {**BASE, **over}
    assert caplog.text == ""


def test_the_way_back_is_the_same() -> None:
    three = {"task": "heart", "spatial_dims": 3, "patch_size": [32, 64, 64]}
    assert lay_over(three, {"spatial_dims": 2}) == {"task": "heart", "spatial_dims": 2}


def test_settings_that_do_not_name_the_dimensions_are_2d() -> None:
    base = {"task": "heart", "patch_size": [64, 64], "gin": {"layers": 4}}
    found = lay_over(base, {"spatial_dims": 3, "gin": {"probability": 0.5}})
    assert found == {
        "task": "heart",
        "spatial_dims": 3,
        "gin": {"layers": 4, "probability": 0.5},
    }


def test_the_keys_are_settings() -> None:
    assert set(GEOMETRY_KEYS) == {
        "spacing",
        "patch_size",
        "channels",
        "batch_size",
        "window_batch",
    }
    assert all(hasattr(make_settings(task="heart").training, key) for key in GEOMETRY_KEYS)
