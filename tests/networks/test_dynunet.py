"""Our DynUNet is MONAI's, with each weight once in its state, and with heads where asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.nets import DynUNet
from torch.nn import functional

from fedgin.engine.weights import get_weights, set_weights
from fedgin.networks import build_network, normalization_keys
from fedgin.networks.dynunet import supervised_levels
from fedgin.settings import ResolvedSettings, make_settings


def small(dims: int = 3, **more: Any) -> ResolvedSettings:
    return make_settings(
        **{
            "task": "abdomen",
            "network": "dynunet",
            "spatial_dims": dims,
            "channels": [4, 6, 8, 8, 8],
            "patch_size": [32, 32, 32][:dims],
            **more,
        }
    )


def monai_network(dims: int, *, heads: int = 0) -> DynUNet:
    return DynUNet(
        spatial_dims=dims,
        in_channels=1,
        out_channels=7,
        kernel_size=[3] * 5,
        strides=[1, 2, 2, 2, 2],
        upsample_kernel_size=[2] * 4,
        filters=[4, 6, 8, 8, 8],
        norm_name=("instance", {"affine": True}),
        res_block=True,
        deep_supervision=heads > 0,
        deep_supr_num=max(heads, 1),
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_scores_are_those_of_monais_network(dims: int) -> None:
    ours = build_network(small(dims)).eval()
    theirs = monai_network(dims).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert unexpected == []
    assert all(name.startswith("skip_layers.") for name in missing)  # MONAI's second listing
    images = torch.randn(2, 1, *[32] * dims)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize("dims", [2, 3])
def test_coarser_outputs_are_monais_before_it_enlarges_them(dims: int) -> None:
    ours = build_network(small(dims, deep_supervision=True)).train()
    theirs = monai_network(dims, heads=2).train()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    images = torch.randn(2, 1, *[32] * dims)
    with torch.no_grad():
        outputs, stacked = ours(images), theirs(images)
    sizes = [tuple(output.shape[2:]) for output in outputs]
    assert sizes == [(32,) * dims, (16,) * dims, (8,) * dims]
    for output, expected in zip(outputs, stacked.unbind(dim=1), strict=True):
        assert torch.equal(functional.interpolate(output, images.shape[2:]), expected)


def test_evaluation_returns_the_finest_scores_alone() -> None:
    network = build_network(small(deep_supervision=True))
    images = torch.randn(1, 1, 32, 32, 32)
    with torch.no_grad():
        finest = network.train()(images)[0]
        found = network.eval()(images)
    assert isinstance(found, torch.Tensor)
    assert torch.equal(found, finest)


def test_every_weight_stands_in_the_state_once() -> None:
    network = build_network(small(deep_supervision=True))
    state = network.state_dict()
    assert state.keys() == dict(network.named_parameters()).keys()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    assert sum(tensor.numel() for tensor in state.values()) == sum(
        parameter.numel() for parameter in network.parameters()
    )
    twice = monai_network(3).state_dict()
    assert len(twice) > 1.5 * len(build_network(small()).state_dict())


def test_weights_come_back_as_they_were_sent() -> None:
    first = build_network(small(deep_supervision=True))
    sent = get_weights(first)
    second = build_network(small(deep_supervision=True, seed=1))
    set_weights(second, sent)
    found = second.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in first.state_dict().items())


def test_normalization_keys_are_all_the_values_that_normalization_layers_use() -> None:
    """One name left out would bring the server's value back over a site's own, with fedbn."""
    network = build_network(small())
    keys = normalization_keys(network)
    images = torch.randn(1, 1, 32, 32, 32)
    with torch.no_grad():
        before = network(images)
        for name, tensor in network.state_dict().items():
            if name in keys:
                tensor.fill_(1.0 if name.endswith("weight") else 0.0)
        assert torch.equal(network(images), before)  # what instance normalization starts with
    assert keys < network.state_dict().keys()


def test_heads_leave_the_other_initial_weights_alone() -> None:
    plain = build_network(small()).state_dict()
    deep = build_network(small(deep_supervision=True)).state_dict()
    heads = {name for name in deep if name.startswith("deep_supervision_heads.")}
    assert deep.keys() - heads == plain.keys()
    assert all(torch.equal(tensor, deep[name]) for name, tensor in plain.items())
    assert any(float(deep[name].abs().max()) > 0 for name in heads)


@pytest.mark.parametrize(("levels", "heads"), [(3, 1), (4, 1), (5, 2), (6, 3)])
def test_all_decoder_levels_but_the_finest_and_the_coarsest_have_heads(
    levels: int, heads: int
) -> None:
    assert supervised_levels([8] * levels) == heads
