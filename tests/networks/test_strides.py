"""nnU-Net's rule for strides and kernels, on spacings worked out by hand."""

from __future__ import annotations

import pytest
import torch

from fedgin.errors import ConfigError
from fedgin.networks import build_network, check_patch
from fedgin.networks.strides import plan_levels
from fedgin.settings import make_settings

ALL, IN_PLANE = (2, 2, 2), (1, 2, 2)


@pytest.mark.parametrize(
    ("spacing", "strides"),
    [
        ((4.0, 4.0, 4.0), [ALL] * 4),
        ((1.5, 1.5, 2.9), [ALL] * 4),  # less than twice as thick
        ((1.5, 1.5, 3.0), [IN_PLANE, ALL, ALL, ALL]),
        ((0.8, 0.8, 5.0), [IN_PLANE, IN_PLANE, ALL, ALL]),  # 5 against 0.8, 1.6, 3.2
        ((0.5, 0.5, 5.0), [IN_PLANE, IN_PLANE, IN_PLANE, ALL]),  # 5 against 0.5, 1, 2, 4
        ((0.8, 0.8, None), [ALL] * 4),  # not known before the volumes are
        (((6.0, 1.0, 1.0)), [(2, 2, 1), (2, 2, 1), ALL, ALL]),  # x is the patch's last axis
    ],
)
def test_thick_voxels_are_halved_later(
    spacing: tuple[float | None, float | None, float | None], strides: list[tuple[int, ...]]
) -> None:
    assert list(plan_levels(dims=3, levels=5, spacing=spacing).strides) == strides


def test_thick_voxels_are_convolved_over_once_the_others_are_near() -> None:
    kernels = plan_levels(dims=3, levels=4, spacing=(0.8, 0.8, 5.0)).kernels
    assert kernels == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3))


@pytest.mark.parametrize("spacing", [(4.0, 4.0, None), (1.0, 1.0, 9.0), (None, None, None)])
def test_slices_do_not_ask_how_thick_they_are(
    spacing: tuple[float | None, float | None, float | None],
) -> None:
    levels = plan_levels(dims=2, levels=3, spacing=spacing)
    assert levels.strides == ((2, 2), (2, 2))
    assert levels.kernels == ((3, 3),) * 3


def test_a_patch_may_be_thin_along_thick_voxels() -> None:
    check_patch((6, 64, 64), levels=5, spacing=(0.6, 0.6, 5.0))
    with pytest.raises(ConfigError, match=r"multiples of \[4, 16, 16\].*\[8, 64, 64\]"):
        check_patch((7, 64, 64), levels=5, spacing=(0.8, 0.8, 5.0))
    with pytest.raises(ConfigError, match="multiple of 16 and at least 32"):
        check_patch((16, 64, 64), levels=5, spacing=(1.0, 1.0, 1.0))


@pytest.mark.parametrize("network", ["unet", "dynunet"])
def test_networks_score_thin_patches_at_full_size(network: str) -> None:
    settings = make_settings(
        task="heart",
        spatial_dims=3,
        network=network,
        spacing=[1.0, 1.0, 4.0],
        channels=[4, 8, 8, 8],
        patch_size=[16, 32, 32],
    )
    module = build_network(settings).eval()
    with torch.no_grad():
        scores = module(torch.randn(1, 1, 16, 32, 32))
        assert scores.shape == (1, 2, 16, 32, 32)
        # Halved once along z, so that four slices are enough.
        assert module(torch.randn(1, 1, 4, 32, 32)).shape == (1, 2, 4, 32, 32)
