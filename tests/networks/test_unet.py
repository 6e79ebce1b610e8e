"""The U-Net without MONAI: MONAI's weights, scores and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.nets import UNet

from fedgin.networks.architecture import architecture
from fedgin.settings import make_settings

PATCHES = {2: (32, 48), 3: (16, 32, 32)}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spatial_dims": 3},
        {"spatial_dims": 3, "spacing": [1.5, 1.5, 5.0], "patch_size": [16, 64, 64]},
        {"channels": [4, 8]},
        {"channels": [8, 8, 16]},
        {"normalization": "batch"},
        {"normalization": "instance_affine"},
    ],
)
@pytest.mark.parametrize("task", ["heart", "abdomen"])
def test_it_is_monai_s(settings: dict[str, Any], task: str) -> None:
    described = architecture(make_settings(task=task, **settings))
    torch.manual_seed(5)
    expected = UNet(**described.arguments)
    torch.manual_seed(5)
    found = described.build()
    assert "monai" not in type(found).__module__
    theirs, ours = expected.state_dict(), found.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)

    dims = described.arguments["spatial_dims"]
    factor = 2 ** (len(described.arguments["channels"]) - 1)
    patch = [max(size, 2 * factor) for size in PATCHES[dims]]
    images = torch.randn(2, 1, *patch, dtype=torch.float64)
    scores, wanted = found.double()(images), expected.double()(images)
    torch.testing.assert_close(scores, wanted, rtol=1e-10, atol=1e-10)
    scores.square().mean().backward()
    wanted.square().mean().backward()
    for own, other in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-8, atol=1e-10)
