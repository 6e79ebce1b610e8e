"""The description of a network builds the network that is trained."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from fedgin.networks import build_network
from fedgin.networks.architecture import architecture
from fedgin.settings import make_settings

KINDS: list[dict[str, Any]] = [
    {"channels": [4, 8, 16]},
    {"channels": [4, 8, 16], "normalization": "instance_affine"},
    {"channels": [4, 8, 16], "normalization": "batch", "network": "dynunet"},
    {"channels": [4, 8, 16], "network": "dynunet", "spatial_dims": 3, "patch_size": [16, 16, 16]},
]


@pytest.mark.parametrize("kind", KINDS)
def test_monai_builds_it_from_json(kind: dict[str, Any]) -> None:
    settings = make_settings(**{"task": "heart", "patch_size": [32, 32], **kind})
    network, found = build_network(settings).eval(), architecture(settings)
    config = json.loads(json.dumps({"net": {"_target_": found.target, **found.arguments}}))
    other = ConfigParser(config).get_parsed_content("net").eval()
    other.load_state_dict(network.state_dict(), strict=False)
    images = torch.randn(1, 1, *settings.geometry.patch_size)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), other(images), rtol=1e-4, atol=1e-5)


def test_factors_are_the_voxels_that_become_one() -> None:
    settings = make_settings(task="heart", channels=[4, 8, 16, 32], patch_size=[32, 32])
    assert architecture(settings).factors == (8, 8)
