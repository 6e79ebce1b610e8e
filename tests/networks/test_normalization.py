"""Normalization settings: which layers a network gets, and which values belong to them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from fedgin.errors import ConfigError
from fedgin.networks import build_network, normalization_keys
from fedgin.settings import make_settings

LAYERS = {"instance": _InstanceNorm, "instance_affine": _InstanceNorm, "batch": _BatchNorm}


def network(**more: Any) -> nn.Module:
    values = {"task": "heart", "channels": [4, 8, 16], "patch_size": [32, 32], **more}
    return build_network(make_settings(**values))


@pytest.mark.parametrize("normalization", LAYERS)
@pytest.mark.parametrize("name", ["unet", "dynunet"])
@pytest.mark.parametrize("dims", [2, 3])
def test_the_setting_chooses_the_kind_of_every_layer(
    normalization: str, name: str, dims: int
) -> None:
    more = {"spatial_dims": dims, "patch_size": [16, 16, 16][:dims]}
    module = network(normalization=normalization, network=name, **more)
    kinds = [m for m in module.modules() if isinstance(m, (_InstanceNorm, _BatchNorm))]
    assert kinds
    assert all(isinstance(layer, LAYERS[normalization]) for layer in kinds)
    assert any("running_var" in key for key in module.state_dict()) == (normalization == "batch")
    scores = module(torch.randn(2, 1, *more["patch_size"]))
    assert torch.isfinite(scores).all()


def test_keys_are_those_of_the_layers_and_no_others() -> None:
    module = network(normalization="batch")
    keys = normalization_keys(module)
    by_value = {
        id(tensor)
        for layer in module.modules()
        if isinstance(layer, _BatchNorm)
        for tensor in (*layer.parameters(), *layer.buffers())
    }
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert keys == {name for name, tensor in tensors.items() if id(tensor) in by_value}
    assert keys
    assert keys < module.state_dict().keys()


def test_layers_are_told_by_type_whatever_their_names() -> None:
    module = nn.Sequential()
    module.add_module("bn_norm", nn.Conv2d(1, 2, 3))
    module.add_module("plain", nn.GroupNorm(1, 2))
    module.add_module("other", nn.LayerNorm(4))
    assert normalization_keys(module) == {
        *("plain.weight", "plain.bias"),
        *("other.weight", "other.bias"),
    }
    assert normalization_keys(nn.BatchNorm2d(3)) == set(nn.BatchNorm2d(3).state_dict())


def test_the_default_network_has_no_values_to_keep() -> None:
    assert normalization_keys(network()) == frozenset()


def test_dual_normalization_refuses_a_normalization_of_its_own() -> None:
    with pytest.raises(ConfigError, match="leave normalization out"):
        network(augmentation="dual_normalization", normalization="instance_affine")
