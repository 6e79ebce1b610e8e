"""GIN's random networks as operations of torch, on any device.

On the CPU `fedgin.augment.gin_rows` is faster for large batches; this is what it is tested against.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from fedgin.augment.gin import GinDraw, GinLayer

LEAKY_SLOPE = 0.01
NORM_EPSILON = 1e-5


def augment_by_tensors(images: Tensor, draw: GinDraw) -> Tensor:
    """Applies every sample's network, mixes, and restores the norm.

    Args:
        images: Shape (B, C, *spatial), float32.
        draw: A draw for this shape.

    Returns:
        A new tensor of the same shape.
    """
    with torch.autocast(images.device.type, enabled=False):
        output = images
        last = len(draw.layers) - 1
        for number, layer in enumerate(draw.layers):
            output = _convolve(output, layer)
            if number < last:
                output = functional.leaky_relu(output, LEAKY_SLOPE, inplace=True)
        column = (-1, *[1] * (images.ndim - 1))
        alpha = draw.alpha.to(images.device, non_blocking=True).reshape(column)
        mixed = torch.lerp(images, output, alpha)
        norm = images.flatten(1).norm(dim=1) / (mixed.flatten(1).norm(dim=1) + NORM_EPSILON)
        return mixed.mul_(norm.reshape(column))


def _convolve(images: Tensor, layer: GinLayer) -> Tensor:
    """Convolves each sample with its own kernel, zero-padded to the same size."""
    batch, c_in, *space = images.shape
    c_out, kernel = layer.bias.shape[1], layer.kernel_size
    weight = layer.weight.to(images.device, non_blocking=True)
    bias = layer.bias.to(images.device, non_blocking=True)
    if kernel == 1:
        # A 1x1 convolution is a matrix product over channels, far cheaper than a grouped one.
        flat = images.reshape(batch, c_in, math.prod(space))
        product = torch.baddbmm(bias.unsqueeze(2), weight.reshape(batch, c_out, c_in), flat)
        return product.reshape(batch, c_out, *space)
    if len(space) == 2 and images.device.type == "cpu":
        return convolve_by_product(images, weight=weight, bias=bias)
    # Groups keep the samples apart: one call convolves the batch, each with its own weights.
    convolve = functional.conv2d if len(space) == 2 else functional.conv3d
    grouped = convolve(
        images.reshape(1, batch * c_in, *space),
        weight.reshape(batch * c_out, c_in, *layer.weight.shape[3:]),
        bias.reshape(-1),
        padding=kernel // 2,
        groups=batch,
    )
    return grouped.reshape(batch, c_out, *space)


def convolve_by_product(images: Tensor, *, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolves each 2D sample with its own odd kernel by one batched matrix product.

    In an image that is padded and laid out in one row, a shift by (dy, dx) is a shift by one
    number, so all shifted copies are views of one buffer. On the CPU that is several times faster
    than a convolution in groups, whose few channels leave it nothing to share.

    Args:
        images: Shape (B, C_in, height, width), contiguous or not.
        weight: Shape (B, C_out, C_in, k, k).
        bias: Shape (B, C_out).

    Returns:
        Shape (B, C_out, height, width), zero-padded convolution.
    """
    batch, c_in, height, width = images.shape
    c_out, kernel = bias.shape[1], weight.shape[-1]
    half = kernel // 2
    # One row more at the end, since the last shifts read past the last image row.
    padded = functional.pad(images, (half, half, half, half + 1))
    row = width + 2 * half
    count = height * row
    flat = padded.reshape(batch, c_in, -1)
    size = flat.shape[2]
    shifted = flat.as_strided(
        (batch, c_in, kernel, kernel, count), (c_in * size, size, row, 1, 1)
    ).reshape(batch, c_in * kernel * kernel, count)
    product = torch.baddbmm(bias.unsqueeze(2), weight.reshape(batch, c_out, -1), shifted)
    return product.reshape(batch, c_out, height, row)[..., :width].contiguous()
