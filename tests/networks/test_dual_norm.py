"""Dual-Normalization: two sets, and the choice between them by their statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fedgin.engine.evaluator import segment
from fedgin.errors import ConfigError
from fedgin.networks import build_network
from fedgin.networks.dual_norm import DualNorm, DualNormNetwork, distance
from fedgin.settings import ResolvedSettings, make_settings


def settings(**more: Any) -> ResolvedSettings:
    values = {
        "task": "heart",
        "channels": [4, 8, 16],
        "patch_size": [32, 32],
        "augmentation": "dual_normalization",
        **more,
    }
    return make_settings(**values)


def draw(style: str, generator: torch.Generator, *shape: int) -> Tensor:
    """Smooth images of two styles: bright and even, or dark and full of contrast."""
    noise = torch.randn(*shape, generator=generator)
    return 2 + 0.3 * noise if style == "similar" else -1 + 2 * noise


def trained(**more: Any) -> tuple[DualNormNetwork, torch.Generator]:
    """A network whose statistics have seen both styles."""
    torch.manual_seed(0)
    run = settings(**more)
    network = build_network(run)
    assert isinstance(network, DualNormNetwork)
    generator = torch.Generator().manual_seed(1)
    patch = (4, 1, *run.geometry.patch_size)
    network.train()
    with torch.no_grad():
        for _ in range(60):
            parts = [draw(style, generator, *patch) for style in ("similar", "dissimilar")]
            network(torch.cat(parts))
        # Training would move the sets' scales and shifts apart too.
        for layer in network.modules():
            if isinstance(layer, DualNorm):
                for parameter in layer.parameters():
                    parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval(), generator


def forced(network: DualNormNetwork, images: Tensor, name: str) -> Tensor:
    """Scores with one set: plain layers in place, normalized by the batch's own statistics."""
    plain = build_network(settings(augmentation="none", normalization="batch"))
    state = {}
    for key, tensor in network.network.state_dict().items():
        head, separator, tail = key.partition(".sets.")
        if not separator:
            state[key] = tensor
        elif tail.startswith(f"{name}."):
            state[f"{head}.{tail.removeprefix(f'{name}.')}"] = tensor
    plain.load_state_dict(state)
    with torch.no_grad():
        scores: Tensor = plain.train()(images)
    return scores


@pytest.mark.parametrize("name", ["unet", "dynunet"])
@pytest.mark.parametrize("dims", [2, 3])
def test_every_normalization_layer_is_dual(name: str, dims: int) -> None:
    run = settings(network=name, spatial_dims=dims, patch_size=[16, 16, 16][:dims])
    network = build_network(run)
    duals = [m for m in network.modules() if isinstance(m, DualNorm)]
    inside = {id(layer) for dual in duals for layer in dual.sets.values()}
    kinds = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    assert {id(layer) for layer in kinds} == inside
    assert all(isinstance(layer, _BatchNorm) for layer in kinds)
    images = torch.randn(4, 1, *run.geometry.patch_size)
    for mode in (True, False):
        scores = network.train(mode)(images)
        assert scores.shape == (4, 2, *run.geometry.patch_size)
        assert torch.isfinite(scores).all()


def test_the_convolutions_start_as_those_of_the_plain_network() -> None:
    dual = build_network(settings()).state_dict()
    plain = build_network(settings(augmentation="none")).state_dict()
    assert all(torch.equal(dual[f"network.{name}"], tensor) for name, tensor in plain.items())


def test_each_half_of_a_training_batch_moves_its_own_statistics() -> None:
    layer = DualNorm(2, dims=2).train()
    first = torch.randn(3, 2, 8, 8) + 5
    second = 3 * torch.randn(3, 2, 8, 8) - 2
    output = layer(torch.cat([first, second]))
    for half, name in ((first, "similar"), (second, "dissimilar")):
        mean = half.mean(dim=(0, 2, 3))
        var = half.transpose(0, 1).flatten(1).var(dim=1)
        stored = layer.sets[name]
        torch.testing.assert_close(stored.running_mean, 0.1 * mean)
        torch.testing.assert_close(stored.running_var, 0.9 + 0.1 * var)
    # Both halves are normalized by themselves.
    for half in output.chunk(2):
        torch.testing.assert_close(half.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)


def test_a_training_batch_of_an_odd_size_is_refused() -> None:
    with pytest.raises(ValueError, match="two halves"):
        build_network(settings()).train()(torch.randn(3, 1, 32, 32))


def test_the_distance_is_that_of_means_and_variances() -> None:
    layer = nn.BatchNorm2d(2)
    layer.running_mean = torch.tensor([1.0, -2.0])
    layer.running_var = torch.tensor([4.0, 9.0])
    images = torch.randn(3, 2, 5, 7) * 2 + 1
    channels = [images[:, number].double() for number in range(2)]
    mean = [float(channel.mean()) for channel in channels]
    var = [float(((c - c.mean()) ** 2).sum() / (c.numel() - 1)) for c in channels]
    expected = ((mean[0] - 1) ** 2 + (mean[1] + 2) ** 2) ** 0.5
    expected += ((var[0] - 4) ** 2 + (var[1] - 9) ** 2) ** 0.5
    assert float(distance(images, layer)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("style", ["similar", "dissimilar"])
def test_a_batch_keeps_the_scores_of_the_set_that_knows_its_style(style: str) -> None:
    network, generator = trained()
    images = draw(style, generator, 6, 1, 32, 32)
    with torch.inference_mode():
        scores = network(images)
    other = {"similar": "dissimilar", "dissimilar": "similar"}[style]
    torch.testing.assert_close(scores, forced(network, images, style), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(scores, forced(network, images, other), atol=1e-2)


def test_evaluation_changes_no_stored_statistics() -> None:
    network, generator = trained()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.inference_mode():
        network(draw("similar", generator, 3, 1, 32, 32))
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_copy_by_state_scores_alike_and_nothing_is_left_behind() -> None:
    network, generator = trained()
    images = draw("similar", generator, 2, 1, 32, 32)
    copy = build_network(settings(seed=9)).eval()
    copy.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert torch.equal(copy(images), network(images))
    duals = [layer for layer in network.modules() if isinstance(layer, DualNorm)]
    assert duals
    assert all(layer.distance is None for layer in duals)


@pytest.mark.parametrize("dims", [2, 3])
def test_whole_volumes_are_segmented_window_by_window(dims: int) -> None:
    run = settings(spatial_dims=dims, patch_size=[16, 16, 16][:dims], window_batch=3)
    network = build_network(run).train()
    image = torch.randn(18, 24, 20).numpy()
    found = segment(network, image, settings=run, device=torch.device("cpu"))
    assert found.shape == image.shape
    assert network.training


def test_a_network_without_normalization_is_refused() -> None:
    for module in (nn.Sequential(nn.Conv2d(1, 1, 1)), nn.Sequential(nn.GroupNorm(1, 2))):
        with pytest.raises(ConfigError, match="batch or instance normalization"):
            DualNormNetwork(module, dims=2)
