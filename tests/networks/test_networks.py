"""Networks: shapes, no buffers, initial weights from the run's seed alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch

from fedgin.errors import ConfigError
from fedgin.networks import build_network, check_patch
from fedgin.settings import ResolvedSettings, make_settings

CASES = [
    pytest.param(dims, name, task, id=f"{name} {dims}d {task}")
    for dims in (2, 3)
    for name in ("unet", "dynunet")
    for task in ("heart", "abdomen")
]


def small(
    dims: int = 2, network: str = "unet", task: str = "heart", **more: Any
) -> ResolvedSettings:
    return make_settings(
        **{
            "task": task,
            "spatial_dims": dims,
            "network": network,
            "channels": [4, 8, 16],
            "patch_size": [16, 24, 32][-dims:],
            **more,
        }
    )


@pytest.mark.parametrize(("dims", "network", "task"), CASES)
def test_scores_have_one_channel_per_class_and_the_patch_size(
    dims: int, network: str, task: str
) -> None:
    settings = small(dims, network, task)
    module = build_network(settings).eval()
    patch = settings.geometry.patch_size
    with torch.no_grad():
        scores = module(torch.randn(2, 1, *patch))
    assert scores.shape == (2, {"heart": 2, "abdomen": 7}[task], *patch)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize(("dims", "network", "task"), CASES)
def test_there_are_no_buffers_to_average(dims: int, network: str, task: str) -> None:
    module = build_network(small(dims, network, task))
    assert list(module.buffers()) == []
    places = {parameter.data_ptr() for parameter in module.parameters()}
    assert {tensor.data_ptr() for tensor in module.state_dict().values()} == places
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters())


@pytest.mark.parametrize("network", ["unet", "dynunet"])
def test_train_and_eval_mode_score_alike(network: str) -> None:
    module = build_network(small(2, network))
    images = torch.randn(2, 1, 24, 32)
    with torch.no_grad():
        assert torch.equal(module.train()(images), module.eval()(images))


@pytest.mark.parametrize("network", ["unet", "dynunet"])
def test_the_seed_alone_decides_the_initial_weights(network: str) -> None:
    torch.manual_seed(1)
    first = build_network(small(2, network, seed=5)).state_dict()
    torch.manual_seed(2)
    again = build_network(small(2, network, seed=5)).state_dict()
    other = build_network(small(2, network, seed=6)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    build_network(small())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_channels_set_the_number_of_weights() -> None:
    def size(channels: list[int]) -> int:
        module = build_network(small(channels=channels))
        return sum(parameter.numel() for parameter in module.parameters())

    assert size([4, 8, 16]) < size([8, 16, 32]) < size([8, 16, 32, 64])


@pytest.mark.parametrize(
    ("patch", "levels"), [((100, 96), 4), ((96, 96, 50), 3), ((16, 16), 5), ((32, 33), 2)]
)
def test_a_patch_that_cannot_be_halved_is_refused_with_sizes_that_work(
    patch: tuple[int, ...], levels: int
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_patch(patch, levels=levels)
    (problem,) = caught.value.problems
    assert "patch_size" in problem.where
    assert str(list(patch)) in problem.found
    match = re.search(r"\[.*\]", problem.mend)
    assert match
    example = tuple(json.loads(match.group()))
    assert len(example) == len(patch)
    assert all(new >= old for new, old in zip(example, patch, strict=True))
    check_patch(example, levels=levels)


def test_building_with_a_patch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        build_network(small(patch_size=[24, 30]))


def test_dynunet_with_too_few_levels_is_refused() -> None:
    with pytest.raises(ConfigError, match="three levels"):
        small(network="dynunet", channels=[4, 8])
