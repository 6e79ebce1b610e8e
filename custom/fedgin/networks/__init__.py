"""Networks, built from a run's settings as MONAI builds them."""

from __future__ import annotations

import torch
from torch import nn

from fedgin.networks.architecture import architecture, network_levels
from fedgin.networks.dual_norm import DualNormNetwork
from fedgin.networks.dynunet import PlainDynUNet, supervised_levels
from fedgin.networks.normalization import normalization_keys
from fedgin.networks.strides import check_patch
from fedgin.seeding import seed_sequence
from fedgin.settings import ResolvedSettings

__all__ = ["build_network", "check_patch", "network_levels", "normalization_keys"]


def build_network(settings: ResolvedSettings) -> nn.Module:
    """Builds the run's network with initial weights drawn from the run's seed.

    By default instance normalization without running statistics is used throughout: there are no
    buffers to average, and no statistics of one modality that would be wrong for the other.

    Returns:
        A module from (B, 1, *patch) float to class scores (B, n_classes, *patch), on the CPU. With
        augmentation `dual_normalization` its training batches hold two views; see
        `fedgin.networks.dual_norm`. With `deep_supervision` it returns in training mode a tuple of
        scores, see `fedgin.networks.dynunet`.

    Raises:
        ConfigError: The patch size does not fit the number of levels.
    """
    training, geometry = settings.training, settings.geometry
    check_patch(geometry.patch_size, levels=len(geometry.channels), spacing=geometry.spacing)
    seed = int(seed_sequence(training.seed, "initial weights").generate_state(1)[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture(settings).build()
        if training.network == "dynunet":
            heads = supervised_levels(geometry.channels) if training.deep_supervision else 0
            network = PlainDynUNet(network, heads=heads)
        if training.augmentation == "dual_normalization":
            return DualNormNetwork(network, dims=training.spatial_dims)
        return network
