"""MONAI's residual U-Net, layer for layer and weight for weight, without importing MONAI.

`import monai` loads all of MONAI with SciPy's signal and statistics, Matplotlib and more: three
seconds in every process of every site, half of what a process needs before its first step. A model
of `monai.networks.nets.UNet` has the same keys and initial weights, and the same scores up to the
rounding of sums; so weights can be carried over either way.

Source: Kerfoot et al., "Left-Ventricle Quantification Using Residual U-Net", STACOM 2018
(doi 10.1007/978-3-030-12029-0_40), as MONAI builds it with two residual units a level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fedgin.networks.instance_norm import InstanceNorm2d, InstanceNorm3d

KERNEL = 3
SLOPE = 0.01
CONVOLUTIONS: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORMS: dict[str, dict[int, type[nn.Module]]] = {
    "instance": {2: InstanceNorm2d, 3: InstanceNorm3d},
    "batch": {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
}

Stride = tuple[int, ...]


class ResidualUNet(nn.Module):
    """A U-Net whose levels add their input to the output of two convolutions.

    Each convolution is followed by a normalization and a leaky ReLU of slope 0.01. Modules have
    MONAI's names.
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        strides: Sequence[Stride],
        norm: str | tuple[str, dict[str, bool]],
    ) -> None:
        """Builds the levels from the lowest up, in MONAI's order of drawing weights.

        Args:
            spatial_dims: 2 or 3.
            in_channels: Channels of the input.
            out_channels: Channels of the scores.
            channels: Features by level, at least two.
            strides: By level after the first, the stride along each axis that leads to it.
            norm: Name of the normalization, or its name and further arguments, as in `NORMS`.
        """
        super().__init__()
        self._dims = spatial_dims
        self._norm = norm
        self.model = self._level(in_channels, out_channels, channels, strides, top=True)

    def forward(self, images: Tensor) -> Tensor:
        """Computes scores (B, out_channels, *patch) of images (B, in_channels, *patch)."""
        scores: Tensor = self.model(images)
        return scores

    def _level(
        self,
        inputs: int,
        outputs: int,
        channels: Sequence[int],
        strides: Sequence[Stride],
        *,
        top: bool,
    ) -> nn.Sequential:
        features, lower = channels[0], channels[1]
        below: nn.Module
        if len(channels) > 2:
            below = self._level(features, features, channels[1:], strides[1:], top=False)
            joined = 2 * features
        else:
            below = self._unit(features, lower, stride=(1,) * self._dims, convolutions=2)
            joined = features + lower
        down = self._unit(inputs, features, stride=strides[0], convolutions=2)
        up = nn.Sequential(
            self._convolution(joined, outputs, stride=strides[0], transposed=True),
            self._unit(
                outputs, outputs, stride=(1,) * self._dims, convolutions=1, last_is_bare=top
            ),
        )
        return nn.Sequential(down, Skip(below), up)

    def _unit(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: Stride,
        convolutions: int,
        last_is_bare: bool = False,
    ) -> Residual:
        chain = nn.Sequential()
        for number in range(convolutions):
            first, last = number == 0, number == convolutions - 1
            convolution = self._convolution(
                inputs if first else outputs,
                outputs,
                stride=stride if first else (1,) * self._dims,
                bare=last and last_is_bare,
            )
            chain.add_module(f"unit{number}", convolution)
        shortcut: nn.Module = nn.Identity()
        strided = math.prod(stride) != 1
        if strided or inputs != outputs:
            kernel = KERNEL if strided else 1
            shortcut = CONVOLUTIONS[self._dims](
                inputs, outputs, kernel_size=kernel, stride=stride, padding=kernel // 2
            )
        return Residual(chain, shortcut)

    def _convolution(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: Stride,
        transposed: bool = False,
        bare: bool = False,
    ) -> nn.Sequential:
        options: dict[str, Any] = {
            "kernel_size": KERNEL,
            "stride": stride,
            "padding": KERNEL // 2,
        }
        if transposed:
            options["output_padding"] = tuple(step - 1 for step in stride)
        kind = (TRANSPOSED if transposed else CONVOLUTIONS)[self._dims]
        found = nn.Sequential()
        found.add_module("conv", kind(inputs, outputs, **options))
        if not bare:
            name, arguments = (self._norm, {}) if isinstance(self._norm, str) else self._norm
            after = nn.Sequential()
            after.add_module("N", NORMS[name][self._dims](outputs, **arguments))
            after.add_module("A", nn.LeakyReLU(SLOPE, inplace=True))
            found.add_module("adn", after)
        return found


class Residual(nn.Module):
    """The sum of a chain of convolutions and a shortcut."""

    def __init__(self, chain: nn.Module, shortcut: nn.Module) -> None:
        """Sets both, under MONAI's names."""
        super().__init__()
        self.conv = chain
        self.residual = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """Applies both to the same features."""
        shortcut: Tensor = self.residual(features)
        chained: Tensor = self.conv(features)
        return chained + shortcut


class Skip(nn.Module):
    """The features of a level beside what the levels below make of them."""

    def __init__(self, below: nn.Module) -> None:
        """Sets the levels below, under MONAI's name."""
        super().__init__()
        self.submodule = below

    def forward(self, features: Tensor) -> Tensor:
        """Joins both along the channels."""
        return torch.cat([features, self.submodule(features)], dim=1)
