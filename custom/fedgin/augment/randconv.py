"""RandConv: one random linear convolution of the whole batch.

Source: Xu et al., "Robust and Generalizable Visual Representation Learning via Random
Convolutions", ICLR 2021 (arXiv 2007.13003), with the defaults of the released code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Mode = Literal["img", "mix"]


@dataclass(frozen=True)
class RandConvDraw:
    """The random numbers of one call.

    Attributes:
        weight: Shape (C, C, k, ...), on the CPU in float32: one filter for the whole batch.
        alpha: Share of the convolution in the result, in [0, 1].
        identity: Whether the call leaves the batch as it is.
    """

    weight: Tensor
    alpha: float
    identity: bool


class RandConv:
    """Draws and applies RandConv for batches in 2D or 3D.

    With f a zero-padded convolution from C to C channels without bias, whose edge length k is drawn
    uniformly from `kernel_sizes` and whose weights are drawn from N(0, 1 / (C k^d)):

        mode `img`: out = x with probability `identity_probability`, else f(x)
        mode `mix`: out = alpha f(x) + (1 - alpha) x, alpha ~ U(0, 1)

    As in the released code a call draws one filter, one alpha and one decision for the whole batch.
    Intensities are neither clipped nor rescaled afterwards: the variance of the weights keeps their
    scale on average.
    """

    def __init__(
        self,
        *,
        mode: Mode = "mix",
        identity_probability: float = 0.5,
        kernel_sizes: Sequence[int] = (1, 3, 5, 7),
    ) -> None:
        """Sets the law that draws follow.

        Args:
            mode: See above.
            identity_probability: Chance of a call in mode `img` to leave the batch as it is.
            kernel_sizes: Odd edge lengths in voxels.
        """
        self.mode = mode
        self.identity_probability = identity_probability
        self.kernel_sizes = tuple(kernel_sizes)

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> RandConvDraw:
        """Draws the parameters for a batch of shape (B, C, *spatial)."""
        channels, dims = shape[1], len(shape) - 2
        choice = int(torch.randint(len(self.kernel_sizes), (1,), generator=generator))
        kernel = (self.kernel_sizes[choice],) * dims
        weight = torch.randn(channels, channels, *kernel, generator=generator)
        uniform = float(torch.rand(1, generator=generator))
        return RandConvDraw(
            weight=weight / math.sqrt(channels * math.prod(kernel)),
            alpha=uniform if self.mode == "mix" else 1.0,
            identity=self.mode == "img" and uniform < self.identity_probability,
        )

    @torch.no_grad()
    def apply(self, images: Tensor, draw: RandConvDraw) -> Tensor:
        """Applies a draw on the device of the batch.

        Args:
            images: Shape (B, C, *spatial), any floating dtype; computed in float32.
            draw: From `draw` with this shape.

        Returns:
            A new tensor of the same shape, dtype and device, without gradient.
        """
        if draw.identity:
            return images.detach().clone()
        source = images.detach().float()
        convolve = functional.conv2d if images.ndim == 4 else functional.conv3d
        with torch.autocast(images.device.type, enabled=False):
            weight = draw.weight.to(images.device, non_blocking=True)
            output = convolve(source, weight, padding=weight.shape[-1] // 2)
            return torch.lerp(source, output, draw.alpha).to(images.dtype)
