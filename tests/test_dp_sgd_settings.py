"""What private training accepts, and what it refuses because it could not be right."""

from __future__ import annotations

from typing import Any

import pytest

from fedgin.errors import ConfigError
from fedgin.overrides import parse_overrides
from fedgin.settings import make_settings

NEEDED = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "sampling_rate": 0.1}


def private(unit: str, **more: Any) -> dict[str, Any]:
    return {**NEEDED, "unit": unit, **more}


def refusal(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        make_settings(task="heart", **values)
    return str(caught.value)


def test_without_it_nothing_is_private() -> None:
    assert make_settings(task="heart").training.dp_sgd is None


def test_the_command_line_sets_it() -> None:
    texts = [f"dp_sgd.{key}={value}" for key, value in private("patient").items()]
    settings = make_settings(task="heart", **parse_overrides(texts)).training.dp_sgd
    assert settings is not None
    assert (settings.unit, settings.patches_per_unit, settings.delta) == ("patient", 4, 1e-5)


@pytest.mark.parametrize("key", [*NEEDED, "unit"])
def test_what_costs_privacy_has_no_default(key: str) -> None:
    values = private("slice")
    del values[key]
    assert f"dp_sgd.{key}" in refusal(dp_sgd=values)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noise_multiplier", 0),
        ("noise_multiplier", float("inf")),
        ("max_grad_norm", -1),
        ("sampling_rate", 0),
        ("sampling_rate", 1.01),
        ("delta", 0),
        ("delta", 1),
        ("epsilon_budget", 0),
        ("patches", 0),
        ("unit", "case"),
        ("noise", 1.0),
    ],
)
def test_a_value_outside_its_rule_is_refused(key: str, value: object) -> None:
    assert key in refusal(dp_sgd={**private("patient"), key: value})


@pytest.mark.parametrize("unit", ["slice", "patient"])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"normalization": "batch"}, "batch statistics"),
        ({"augmentation": "dual_normalization"}, "batch statistics"),
        ({"algorithm": "scaffold"}, "scaffold"),
        ({"schedule": "plateau"}, "validation patients"),
    ],
)
def test_what_would_leave_unprotected_is_refused(
    unit: str, values: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(dp_sgd=private(unit), **values)
    make_settings(task="heart", **values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"spatial_dims": 3}, "spatial_dims=2"),
        ({"network": "dynunet"}, "network=unet"),
        ({"augmentation": "fourier"}, "mixes slices"),
        ({"augmentation": "randconv"}, "randconv.consistency=0"),
        ({"gin": {"consistency": 10.0}}, "gin.consistency=0"),
    ],
)
def test_a_slice_must_have_one_gradient_of_its_own(values: dict[str, Any], reason: str) -> None:
    assert reason in refusal(dp_sgd=private("slice"), **values)
    make_settings(task="heart", dp_sgd=private("patient"), **values)


def test_a_slice_gives_one_patch() -> None:
    assert "unit patient" in refusal(dp_sgd=private("slice", patches=2))


@pytest.mark.parametrize("algorithm", ["fedavg", "fedprox", "fedbn"])
def test_what_only_uses_protected_weights_is_allowed(algorithm: str) -> None:
    values = {"algorithm": algorithm, "normalization": "instance_affine"}
    make_settings(task="heart", dp_sgd=private("slice"), **values)
