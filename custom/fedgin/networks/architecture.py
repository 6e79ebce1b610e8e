"""Which network of MONAI's a run trains, as a name with arguments that others can build from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from fedgin.networks.strides import Levels, plan_levels
from fedgin.networks.unet import SLOPE, ResidualUNet
from fedgin.settings import ResolvedSettings

MODULE = "monai.networks.nets"
UNET_FIXED: dict[str, Any] = {
    "num_res_units": 2,
    "act": ("leakyrelu", {"inplace": True, "negative_slope": SLOPE}),
}
"""Arguments of MONAI's U-Net that `ResidualUNet` has no choice of."""

# MONAI's names; its batch normalization has scale, shift and running statistics.
NORM: dict[str, str | tuple[str, dict[str, bool]]] = {
    "instance": "instance",
    "instance_affine": ("instance", {"affine": True}),
    "batch": "batch",
}


@dataclass(frozen=True)
class Architecture:
    """A network of MONAI's.

    Attributes:
        name: Name of its class in `monai.networks.nets`.
        arguments: The class's arguments, all plain values.
    """

    name: str
    arguments: dict[str, Any]

    @property
    def target(self) -> str:
        """Full name of the class."""
        return f"{MODULE}.{self.name}"

    @property
    def factors(self) -> tuple[int, ...]:
        """Voxels along each axis of an input that become one at the last level."""
        dims = self.arguments["spatial_dims"]
        steps = [(s,) * dims if isinstance(s, int) else s for s in self.arguments["strides"]]
        return tuple(math.prod(axis) for axis in zip(*steps, strict=True))

    def build(self) -> nn.Module:
        """Builds the network; its weights are drawn from torch's own generator.

        A U-Net is built without MONAI, which takes long to import.
        """
        if self.name == "UNet":
            own = {key: value for key, value in self.arguments.items() if key not in UNET_FIXED}
            return ResidualUNet(**own)
        from monai.networks import nets

        network: nn.Module = getattr(nets, self.name)(**self.arguments)
        return network


def architecture(settings: ResolvedSettings) -> Architecture:
    """Describes a run's network as it is before layers are replaced for Dual-Normalization."""
    return _dynunet(settings) if settings.training.network == "dynunet" else _unet(settings)


def network_levels(settings: ResolvedSettings) -> Levels:
    """Returns how the levels of a run's network lie on its patch."""
    geometry = settings.geometry
    return plan_levels(
        dims=settings.training.spatial_dims,
        levels=len(geometry.channels),
        spacing=geometry.spacing,
    )


def _unet(settings: ResolvedSettings) -> Architecture:
    arguments = {
        "spatial_dims": settings.training.spatial_dims,
        "in_channels": 1,
        "out_channels": settings.task.n_classes,
        "channels": settings.geometry.channels,
        "strides": network_levels(settings).strides,
        "norm": NORM[settings.training.normalization],
        **UNET_FIXED,
    }
    return Architecture("UNet", arguments)


def _dynunet(settings: ResolvedSettings) -> Architecture:
    dims, levels = settings.training.spatial_dims, network_levels(settings)
    batch = settings.training.normalization == "batch"
    arguments = {
        "spatial_dims": dims,
        "in_channels": 1,
        "out_channels": settings.task.n_classes,
        "kernel_size": levels.kernels,
        "strides": ((1,) * dims, *levels.strides),
        "upsample_kernel_size": levels.strides,
        "filters": settings.geometry.channels,
        "norm_name": NORM["batch" if batch else "instance_affine"],
        "res_block": True,
    }
    return Architecture("DynUNet", arguments)
