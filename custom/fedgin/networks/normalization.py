"""Which layers of a network normalize, told by their type."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

# _NormBase is torch's base of every batch and instance normalization layer, in any dimension.
NORMALIZATION_LAYERS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


def normalization_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yields name and module of every normalization layer."""
    for name, module in network.named_modules():
        if isinstance(module, NORMALIZATION_LAYERS):
            yield name, module


def normalization_keys(network: nn.Module) -> frozenset[str]:
    """Lists the names in a network's state that belong to its normalization layers.

    Returns:
        Names of their parameters and statistics; empty where the layers have neither, as instance
        normalization without scale and shift.
    """
    return frozenset(
        f"{name}.{key}" if name else key
        for name, module in normalization_layers(network)
        for key in module.state_dict()
    )
