"""Training settings: their rules, and what the tasks fill in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedgin.errors import ConfigError, Problem
from fedgin.settings import make_settings, read_settings
from fedgin.tasks import TASKS, get_task


def refused(**values: object) -> Problem:
    with pytest.raises(ConfigError) as caught:
        make_settings(**{"task": "heart", **values})
    (problem,) = caught.value.problems
    return problem


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("spatial_dims", 4),
        ("spatial_dims", 1),
        ("spacing", [1.0, 0.0, 1.0]),
        ("spacing", [1.0, -2.0, None]),
        ("spacing", [1.0, INF, None]),
        ("spacing", [1.0, NAN, None]),
        ("spacing", [1.0, 1.0]),
        ("spacing", [1.0, 1.0, 1.0, 1.0]),
        ("patch_size", [15, 64]),
        ("patch_size", [64, 1025]),
        ("patch_size", 64),
        ("network", "vnet"),
        ("channels", [0, 8]),
        ("channels", [8, 1025]),
        ("augmentation", "mixup"),
        ("geometric", "perhaps"),
        ("batch_size", 0),
        ("batch_size", 1025),
        ("steps_per_round", 0),
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", NAN),
        ("learning_rate", INF),
        ("weight_decay", -1e-9),
        ("weight_decay", NAN),
        ("weight_decay", INF),
        ("schedule", "linear"),
        ("gradient_clip", 0),
        ("gradient_clip", INF),
        ("foreground_fraction", -0.1),
        ("foreground_fraction", 1.1),
        ("foreground_fraction", NAN),
        ("overlap", 1.0),
        ("overlap", -0.1),
        ("window_batch", 0),
    ],
)
def test_a_value_outside_its_rule_is_refused_by_its_key(key: str, value: object) -> None:
    problem = refused(**{key: value})
    assert problem.where.startswith(f"settings: key '{key}")
    assert problem.rule
    last = problem.found
    assert last == "no such key" or last in repr(value)
    assert problem.mend


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("probability", 1.5),
        ("probability", -0.1),
        ("layers", 0),
        ("layers", 17),
        ("hidden_channels", 0),
        ("hidden_channels", 33),
        ("kernel_sizes", [0, 1]),
        ("kernel_sizes", [11]),
        ("draw", "per_pixel"),
    ],
)
def test_a_gin_value_outside_its_rule_is_refused_by_its_key(key: str, value: object) -> None:
    problem = refused(gin={key: value})
    assert problem.where.startswith(f"settings: key 'gin.{key}")
    assert problem.found in repr(value)


@pytest.mark.parametrize("sizes", [[], [2], [1, 4]])
def test_gin_kernels_are_odd(sizes: list[int]) -> None:
    problem = refused(gin={"kernel_sizes": sizes})
    assert problem.where == "settings: key 'gin'"
    assert problem.rule == "kernel_sizes must be one or more odd numbers"
    assert repr(sizes) in problem.found


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"patch_size": [64, 64, 64]}, "patch_size needs 2 numbers"),
        ({"patch_size": []}, "patch_size needs 2 numbers"),
        ({"spatial_dims": 3, "patch_size": [64, 64]}, "patch_size needs 3 numbers"),
        ({"channels": [8]}, "channels needs at least two levels"),
        ({"deep_supervision": True}, "deep_supervision needs network dynunet"),
        ({"channels": []}, "channels needs at least two levels"),
        ({"schedule": "plateau", "validate_every": 2}, "plateau follows every round's validation"),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    values: dict[str, object], rule: str
) -> None:
    problem = refused(**values)
    assert problem.where == "settings"
    assert rule in problem.rule


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 2**32 - 1),
        ("overlap", 0.0),
        ("foreground_fraction", 1.0),
        ("foreground_fraction", 0.0),
        ("weight_decay", 0.0),
        ("learning_rate", "3e-3"),  # what YAML makes of 3e-3
        ("network", "dynunet"),
        ("schedule", "plateau"),
    ],
)
def test_values_at_the_edge_of_their_rule_are_accepted(key: str, value: object) -> None:
    training = make_settings(task="heart", **{key: value}).training
    assert getattr(training, key) == (float(value) if key == "learning_rate" else value)


@pytest.mark.parametrize(
    ("task", "dims", "spacing", "patch_size", "channels", "batch_size"),
    [
        ("heart", 2, (4.0, 4.0, None), (88, 88), (32, 64, 128, 256), 8),
        ("heart", 3, (4.0, 4.0, 4.0), (48, 64, 64), (16, 32, 64, 128), 2),
        ("abdomen", 2, (4.0, 4.0, None), (96, 96), (32, 64, 128, 256), 8),
        ("abdomen", 3, (4.0, 4.0, 4.0), (32, 64, 64), (16, 32, 64, 128), 2),
    ],
)
def test_a_task_brings_its_geometry(
    task: str,
    dims: int,
    spacing: tuple[float | None, ...],
    patch_size: tuple[int, ...],
    channels: tuple[int, ...],
    batch_size: int,
) -> None:
    geometry = make_settings(task=task, spatial_dims=dims).geometry
    assert geometry.spacing == spacing
    assert geometry.patch_size == patch_size
    assert geometry.channels == channels
    assert geometry.batch_size == batch_size


@pytest.mark.parametrize(("values", "windows"), [({}, 16), ({"spatial_dims": 3}, 2)])
def test_large_windows_go_in_small_batches(values: dict[str, object], windows: int) -> None:
    training = make_settings(task="heart", **values).training
    assert training.window_batch == windows
    again = make_settings(**training.model_dump(mode="json")).training
    assert again == training
    assert make_settings(task="heart", **values, window_batch=5).training.window_batch == 5


def test_a_geometry_of_the_job_goes_before_the_tasks() -> None:
    resolved = make_settings(
        task="heart",
        spacing=[None, 2, None],
        patch_size=[32, 48],
        channels=[4, 8],
        batch_size=3,
    )
    assert resolved.geometry.spacing == (None, 2.0, None)
    assert resolved.geometry.patch_size == (32, 48)
    assert resolved.geometry.channels == (4, 8)
    assert resolved.geometry.batch_size == 3


def test_the_defaults_of_gin_are_the_published_ones() -> None:
    gin = make_settings(task="heart").training.gin
    assert (gin.layers, gin.hidden_channels, gin.kernel_sizes) == (4, 2, (1, 3))


@pytest.mark.parametrize(
    ("name", "mend"),
    [("hart", "did you mean 'heart'?"), ("abdomn", "did you mean 'abdomen'?"), ("xyz", "allowed:")],
)
def test_an_unknown_task_names_the_nearest(name: str, mend: str) -> None:
    problem = refused(task=name)
    assert problem.where == "key 'task'"
    assert problem.rule == "the task must be known"
    assert problem.found == f"'{name}'"
    assert mend in problem.mend


def test_class_indices_follow_the_order_of_the_names() -> None:
    abdomen = get_task("abdomen")
    assert abdomen.class_names[0] == "liver"
    assert abdomen.n_classes == len(abdomen.class_names) + 1 == 7
    assert get_task("heart").n_classes == 2


def test_no_task_with_an_organ_on_one_side_mirrors_it_away() -> None:
    # Liver, spleen, heart and the named kidneys would change their side along x.
    assert all("x" not in task.mirror_axes for task in TASKS.values())


def test_a_settings_file_is_read_and_its_errors_name_it(tmp_path: Path) -> None:
    file = tmp_path / "training.json"
    file.write_text(json.dumps({"task": "abdomen", "seed": 7}))
    resolved = read_settings(file)
    assert (resolved.task.name, resolved.training.seed) == ("abdomen", 7)
    file.write_text(json.dumps({"task": "abdomen", "seed": -7, "bach_size": 3}))
    with pytest.raises(ConfigError) as caught:
        read_settings(file)
    assert {problem.where for problem in caught.value.problems} == {
        str(file),
        f"{file}: key 'seed'",
    }
    assert "did you mean 'batch_size'?" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            {"spatial_dims": 3, "patch_size": [96, 96]},
            "patch_size [96, 96], spatial_dims 3",
        ),
        ({"ct_window": [275, -125]}, "ct_window [275, -125]"),
        ({"deep_supervision": True}, "deep_supervision True"),
        ({"schedule": "plateau", "validate_every": 5}, "validate_every 5"),
    ],
)
def test_a_rule_of_several_keys_shows_their_values_and_no_others(
    values: dict[str, Any], found: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings(task="heart", seed=7, **values)
    (problem,) = caught.value.problems
    assert problem.where == "settings"
    assert problem.found == found
