"""The study's augmentations: valid everywhere, told apart, described, and fit to train on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgin.augment.presets import PRESETS, TEXTS, preset, preset_text
from fedgin.augment.views import build_views
from fedgin.data.prepare import PreparedCase
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import get_weights
from fedgin.errors import ConfigError
from fedgin.overrides import merge
from fedgin.settings import make_settings

NAMES = [
    "none",
    "randconv-img",
    "randconv-mix",
    "fourier-mix",
    "fda",
    "bezier",
    "dual-normalization",
    "gin",
    "gin-batch",
    "gin-consistency",
    "gin-ipa",
]

everyone = pytest.mark.parametrize("name", NAMES)
PATCH = {2: [32, 32], 3: [16, 32, 32]}


def make_case(*, classes: int) -> PreparedCase:
    """Noise with a bright ball, in which one class beside the other is annotated."""
    shape, generator = (20, 40, 44), np.random.default_rng(0)
    centre = np.array(shape).reshape(3, 1, 1, 1) / 2
    ball = ((np.indices(shape) - centre) ** 2).sum(axis=0) <= 64
    label = ball * (1 + np.arange(shape[2]) % classes)
    places = np.argwhere(ball)
    foreground = np.column_stack([label[tuple(places.T)], places])
    return PreparedCase(
        name="case",
        patient="patient",
        site="site-1",
        modality="CT",
        image=(generator.normal(0, 0.3, size=shape) + ball).astype(np.float16),
        label=label.astype(np.uint8),
        foreground=foreground.astype(np.int32),
        spacing=(1.0, 1.0, 1.0),
    )


def test_the_presets_are_the_studys() -> None:
    assert list(PRESETS) == NAMES
    assert list(TEXTS) == NAMES


@everyone
@pytest.mark.parametrize("task", ["heart", "abdomen"])
@pytest.mark.parametrize("dims", [2, 3])
def test_every_preset_makes_valid_settings(name: str, task: str, dims: int) -> None:
    settings = make_settings(task=task, spatial_dims=dims, **preset(name))
    assert settings.training.augmentation == PRESETS[name]["augmentation"]


def test_no_two_presets_are_alike() -> None:
    settings = [make_settings(task="heart", **preset(name)).training for name in NAMES]
    assert len({json.dumps(training.model_dump(), sort_keys=True) for training in settings}) == len(
        NAMES
    )


@pytest.mark.parametrize(
    ("name", "views", "supervised", "consistency"),
    [
        ("none", 1, 1, 0),
        ("randconv-img", 3, 1, 5),
        ("randconv-mix", 3, 1, 10),
        ("fourier-mix", 1, 1, 0),
        ("fda", 1, 1, 0),
        ("bezier", 1, 1, 0),
        ("dual-normalization", 2, 2, 0),
        ("gin", 1, 1, 0),
        ("gin-batch", 1, 1, 0),
        ("gin-consistency", 3, 1, 10),
        ("gin-ipa", 3, 1, 10),
    ],
)
def test_every_preset_has_the_published_views(
    name: str, views: int, supervised: int, consistency: float
) -> None:
    plan = build_views(make_settings(task="heart", **preset(name)).training)
    assert (plan.count, plan.supervised, plan.consistency) == (views, supervised, consistency)


@everyone
def test_every_preset_is_described_in_one_line_with_its_sources(name: str) -> None:
    text = preset_text(name)
    assert text.description.endswith(".")
    assert "\n" not in text.description
    assert bool(text.sources) == (name != "none")
    assert all("arXiv" in source for source in text.sources)


def test_a_preset_is_the_callers_own() -> None:
    taken = preset("gin-ipa")
    taken["gin"]["ipa"] = False
    taken["seed"] = 3
    assert preset("gin-ipa") == PRESETS["gin-ipa"]
    assert PRESETS["gin-ipa"]["gin"]["ipa"] is True
    with pytest.raises(TypeError):
        PRESETS["gin"] = {}  # type: ignore[index]


def test_a_preset_lies_over_other_settings() -> None:
    base: dict[str, Any] = {"task": "heart", "augmentation": "none", "gin": {"layers": 3}}
    training = make_settings(**merge(base, preset("gin-consistency"))).training
    assert (training.augmentation, training.gin.layers, training.gin.consistency) == ("gin", 3, 10)


@pytest.mark.parametrize(
    ("name", "nearest"), [("gin-batches", "gin-batch"), ("randconv_mix", "randconv-mix")]
)
@pytest.mark.parametrize("find", [preset, preset_text])
def test_an_unknown_preset_is_refused_by_the_nearest_name(
    find: Any, name: str, nearest: str
) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{nearest}'") as caught:
        find(name)
    (problem,) = caught.value.problems
    assert name in problem.found


@everyone
@pytest.mark.parametrize(("task", "dims"), [("heart", 2), ("abdomen", 2), ("heart", 3)])
def test_a_round_of_every_preset_trains(name: str, task: str, dims: int, tmp_path: Path) -> None:
    settings = make_settings(
        task=task,
        spatial_dims=dims,
        patch_size=PATCH[dims],
        channels=[4, 8],
        batch_size=2,
        steps_per_round=1,
        **preset(name),
    )
    trainer = Trainer(
        settings=settings,
        site="site-1",
        cases=[make_case(classes=len(settings.task.classes))],
        device=torch.device("cpu"),
    )
    result = trainer.run_round(
        get_weights(trainer.network), state_folder=tmp_path, round_number=0, rounds=2
    )
    assert math.isfinite(result.loss)
    assert any(np.abs(array).max() > 0 for array in result.difference.values())


def test_every_preset_gives_other_batches() -> None:
    case, batches = make_case(classes=1), {}
    for name in NAMES:
        settings = make_settings(
            task="heart", patch_size=PATCH[2], channels=[4, 8], batch_size=4, **preset(name)
        )
        trainer = Trainer(
            settings=settings, site="site-1", cases=[case], device=torch.device("cpu")
        )
        made = [trainer.batch(0, step) for step in range(6)]
        views = build_views(settings.training).count
        assert all(images.shape == (4 * views, 1, 32, 32) for images, *_ in made)
        assert all(labels.shape == (4, 1, 32, 32) for _, labels, _ in made)
        batches[name] = torch.stack([images[:4] for images, *_ in made])
    for name in NAMES:
        same = {other for other in NAMES if torch.equal(batches[other], batches[name])}
        # With consistency the first view is GIN's own; only the further views are new.
        alike = {"gin", "gin-consistency"}
        assert same == (alike if name in alike else {name})
