"""Networks, built by MONAI from a run's settings."""

from __future__ import annotations

import math

import torch
from torch import nn

from fedgin.errors import ConfigError, Problem
from fedgin.networks.dual_norm import DualNormNetwork
from fedgin.networks.normalization import normalization_keys
from fedgin.seeding import seed_sequence
from fedgin.settings import ResolvedSettings

__all__ = ["build_network", "check_patch", "normalization_keys"]

# MONAI's names; its batch normalization has scale, shift and running statistics.
NORM: dict[str, str | tuple[str, dict[str, bool]]] = {
    "instance": "instance",
    "instance_affine": ("instance", {"affine": True}),
    "batch": "batch",
}


def build_network(settings: ResolvedSettings) -> nn.Module:
    """Builds the run's network with initial weights drawn from the run's seed.

    By default instance normalization without running statistics is used throughout: there are no
    buffers to average, and no statistics of one modality that would be wrong for the other.

    Returns:
        A module from (B, 1, *patch) float to class scores (B, n_classes, *patch), on the CPU. With
        augmentation `dual_normalization` its training batches hold two views; see
        `fedgin.networks.dual_norm`.

    Raises:
        ConfigError: The patch size does not fit the number of levels.
    """
    training, geometry = settings.training, settings.geometry
    check_patch(geometry.patch_size, levels=len(geometry.channels))
    seed = int(seed_sequence(training.seed, "initial weights").generate_state(1)[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _dynunet(settings) if training.network == "dynunet" else _unet(settings)
        if training.augmentation == "dual_normalization":
            return DualNormNetwork(network, dims=training.spatial_dims)
        return network


def check_patch(patch_size: tuple[int, ...], *, levels: int) -> None:
    """Checks that a patch can be halved once per level.

    Raises:
        ConfigError: It cannot.
    """
    factor = 2 ** (levels - 1)
    if any(size % factor or size < 2 * factor for size in patch_size):
        raise ConfigError(
            Problem(
                "key 'patch_size'",
                f"with {levels} levels of channels each size must be a multiple of {factor} and at "
                f"least {2 * factor}",
                str(list(patch_size)),
                f"use for example {[max(2, math.ceil(s / factor)) * factor for s in patch_size]}",
            )
        )


def _unet(settings: ResolvedSettings) -> nn.Module:
    from monai.networks.nets import UNet

    channels = settings.geometry.channels
    return UNet(
        spatial_dims=settings.training.spatial_dims,
        in_channels=1,
        out_channels=settings.task.n_classes,
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        num_res_units=2,
        act=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
        norm=NORM[settings.training.normalization],
    )


def _dynunet(settings: ResolvedSettings) -> nn.Module:
    from monai.networks.nets import DynUNet

    channels = settings.geometry.channels
    dims = settings.training.spatial_dims
    strides = [1] + [2] * (len(channels) - 1)
    return DynUNet(
        spatial_dims=dims,
        in_channels=1,
        out_channels=settings.task.n_classes,
        kernel_size=[3] * len(channels),
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=list(channels),
        norm_name="batch"
        if settings.training.normalization == "batch"
        else NORM["instance_affine"],
        res_block=True,
    )
