"""Settings of the augmentations: the released defaults and the rules of their values."""

from __future__ import annotations

import pytest

from fedgin.augment_settings import (
    BezierSettings,
    FourierSettings,
    GinSettings,
    RandConvSettings,
)
from fedgin.errors import ConfigError, Problem
from fedgin.settings import make_settings


def refused(**values: object) -> Problem:
    with pytest.raises(ConfigError) as caught:
        make_settings(task="heart", **values)
    (problem,) = caught.value.problems
    return problem


def test_the_defaults_are_the_released_ones() -> None:
    gin, randconv = GinSettings(), RandConvSettings()
    assert (gin.probability, gin.layers, gin.hidden_channels) == (1.0, 4, 2)
    assert (gin.kernel_sizes, gin.draw, gin.consistency, gin.ipa) == (
        (1, 3),
        "per_sample",
        0,
        False,
    )
    assert (randconv.kernel_sizes, randconv.identity_probability) == ((1, 3, 5, 7), 0.5)
    assert FourierSettings().strength == 1.0
    assert FourierSettings().betas == (0.01, 0.05, 0.09)
    assert (BezierSettings().probability, BezierSettings().inverted) == (0.5, None)


@pytest.mark.parametrize(
    ("mode", "consistency", "weight"),
    [("img", None, 5.0), ("mix", None, 10.0), ("img", 0.0, 0.0), ("mix", 3.0, 3.0)],
)
def test_randconv_takes_the_published_weight_of_its_mode_unless_told(
    mode: str, consistency: float | None, weight: float
) -> None:
    settings = RandConvSettings.model_validate({"mode": mode, "consistency": consistency})
    assert settings.consistency_weight == weight


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("gin", "consistency", -1.0),
        ("gin", "consistency", float("inf")),
        ("gin", "ipa", "perhaps"),
        ("randconv", "mode", "blend"),
        ("randconv", "identity_probability", 1.5),
        ("randconv", "kernel_sizes", [11]),
        ("randconv", "consistency", -0.1),
        ("randconv", "consistency", float("nan")),
        ("fourier", "mode", "fda"),
        ("fourier", "strength", 1.1),
        ("fourier", "strength", -0.1),
        ("fourier", "betas", [0.5]),
        ("fourier", "betas", [-0.01]),
        ("bezier", "probability", 2),
        ("bezier", "inverted", "half"),
    ],
)
def test_a_value_outside_its_rule_is_refused_by_its_key(
    group: str, key: str, value: object
) -> None:
    problem = refused(**{group: {key: value}})
    assert problem.where.startswith(f"settings: key '{group}.{key}")
    assert problem.found in repr(value)


@pytest.mark.parametrize("sizes", [[], [2], [1, 4]])
@pytest.mark.parametrize("group", ["gin", "randconv"])
def test_kernels_are_odd(group: str, sizes: list[int]) -> None:
    problem = refused(**{group: {"kernel_sizes": sizes}})
    assert problem.where == f"settings: key '{group}'"
    assert problem.rule == "kernel_sizes must be one or more odd numbers"


@pytest.mark.parametrize(
    ("group", "key", "hint"),
    [
        ("randconv", "identity", "identity_probability"),
        ("fourier", "beta", "betas"),
        ("bezier", "inverse", "inverted"),
        ("gin", "consistancy", "consistency"),
    ],
)
def test_an_unknown_key_is_refused_by_the_nearest(group: str, key: str, hint: str) -> None:
    assert f"did you mean '{hint}'" in refused(**{group: {key: 1}}).found


def test_at_least_one_beta_is_needed() -> None:
    assert refused(fourier={"betas": []}).rule == "betas must be one or more numbers"


def test_an_unknown_augmentation_is_refused() -> None:
    assert refused(augmentation="mixup").where == "settings: key 'augmentation'"
