"""GIN: global intensity non-linear augmentation by random shallow convolutional networks.

Source: Ouyang et al., "Causality-inspired Single-source Domain Generalization for Medical Image
Segmentation", IEEE TMI 2022 (arXiv 2111.12525), used in a federation by arXiv 2602.20773.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgin.augment.gin_rows import augment_by_rows, rows_pay
from fedgin.augment.gin_tensors import augment_by_tensors


@dataclass(frozen=True)
class GinLayer:
    """One random convolution per sample.

    Attributes:
        weight: Shape (B, C_out, C_in, k, ...): k as often as there are spatial dimensions.
        bias: Shape (B, C_out).
    """

    weight: Tensor
    bias: Tensor

    @property
    def kernel_size(self) -> int:
        """Edge length of the kernel in voxels."""
        return int(self.weight.shape[-1])


@dataclass(frozen=True)
class GinDraw:
    """The random numbers of one call, on the CPU in float32.

    Attributes:
        layers: The random networks, layer by layer.
        alpha: Shape (B,), in [0, 1): share of the network's output in the mixture.
        applied: Shape (B,), bool: which samples are augmented at all.
    """

    layers: tuple[GinLayer, ...]
    alpha: Tensor
    applied: Tensor

    def select(self, index: Tensor) -> GinDraw:
        """Returns the draw of some of the samples."""
        layers = tuple(GinLayer(layer.weight[index], layer.bias[index]) for layer in self.layers)
        return GinDraw(layers=layers, alpha=self.alpha[index], applied=self.applied[index])


class Gin:
    """Draws and applies GIN for batches in 2D or 3D.

    With g a chain of `layers` convolutions, zero-padded, whose weights and biases are drawn from
    N(0, 1) anew for each sample, LeakyReLU between them, and alpha ~ U(0, 1) per sample:

        m = alpha * g(x) + (1 - alpha) * x
        out = m * ||x|| / (||m|| + 1e-5)

    with Frobenius norms over channels and space of each sample. The kernel size of a layer is drawn
    from `kernel_sizes` once per call, as in the released code.
    """

    def __init__(
        self,
        *,
        probability: float = 1.0,
        layers: int = 4,
        hidden_channels: int = 2,
        kernel_sizes: Sequence[int] = (1, 3),
        per_batch: bool = False,
    ) -> None:
        """Sets the law that draws follow.

        Args:
            probability: Chance of each sample to be augmented.
            layers: Number of convolutions.
            hidden_channels: Channels between them.
            kernel_sizes: Odd edge lengths in voxels among which each layer's is drawn.
            per_batch: Draw one network and one alpha for the whole batch, as FedGIN's released
                code does, instead of one per sample; for comparison only.
        """
        self.probability = probability
        self.layers = layers
        self.hidden_channels = hidden_channels
        self.kernel_sizes = tuple(kernel_sizes)
        self.per_batch = per_batch

    def draw(self, shape: Sequence[int], *, generator: torch.Generator) -> GinDraw:
        """Draws the parameters for a batch.

        Args:
            shape: Shape of the batch, (B, C, *spatial).
            generator: Generator on the CPU, so that every device gets the same draw.
        """
        batch, channels, dims = shape[0], shape[1], len(shape) - 2
        drawn = 1 if self.per_batch else batch
        widths = [channels, *[self.hidden_channels] * (self.layers - 1), channels]
        layers = []
        for c_in, c_out in itertools.pairwise(widths):
            choice = int(torch.randint(len(self.kernel_sizes), (1,), generator=generator))
            kernel = (self.kernel_sizes[choice],) * dims
            weight = torch.randn(drawn, c_out, c_in, *kernel, generator=generator)
            bias = torch.randn(drawn, c_out, generator=generator)
            if self.per_batch:
                weight = weight.expand(batch, *weight.shape[1:])
                bias = bias.expand(batch, c_out)
            layers.append(GinLayer(weight=weight, bias=bias))
        alpha = torch.rand(drawn, generator=generator).expand(batch)
        applied = torch.rand(batch, generator=generator) < self.probability
        return GinDraw(layers=tuple(layers), alpha=alpha, applied=applied)

    @torch.no_grad()
    def apply(self, images: Tensor, draw: GinDraw) -> Tensor:
        """Applies a draw on the device of the batch.

        Args:
            images: Shape (B, C, *spatial), any floating dtype; computed in float32.
            draw: From `draw` with this shape.

        Returns:
            A new tensor of the same shape, dtype and device, without gradient.
        """
        chosen = draw.applied.nonzero().flatten()  # on the CPU: no wait for the device
        if len(chosen) == len(images):
            return _augment(images.detach(), draw).to(images.dtype)
        result = images.detach().clone()
        if len(chosen):
            index = chosen.to(images.device, non_blocking=True)
            augmented = _augment(result[index], draw.select(chosen))
            result[index] = augmented.to(images.dtype)
        return result

    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draws and applies in one go; see `draw` and `apply`."""
        return self.apply(images, self.draw(images.shape, generator=generator))


def _augment(images: Tensor, draw: GinDraw) -> Tensor:
    """Applies every sample's network, mixes, and restores the norm; in float32."""
    augment = augment_by_rows if rows_pay(images, draw) else augment_by_tensors
    return augment(images.float(), draw)
