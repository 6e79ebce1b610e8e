"""GIN as one would write it down: grouped convolutions, layer by layer. What `fedgin bench` beats.

It shares no code with `fedgin.augment`, but takes its draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def plain_gin(
    images: Tensor, *, weights: Sequence[Tensor], biases: Sequence[Tensor], alpha: Tensor
) -> Tensor:
    """Applies one random network per sample, mixes, and restores the norm.

    Args:
        images: Shape (B, C, *spatial).
        weights: By layer, shape (B, C_out, C_in, k, ...).
        biases: By layer, shape (B, C_out).
        alpha: Shape (B,): share of the network's output.

    Returns:
        A tensor of the images' shape.
    """
    samples, dims = images.shape[0], images.ndim - 2
    convolution = functional.conv2d if dims == 2 else functional.conv3d
    features = images.reshape(1, -1, *images.shape[2:])
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if number:
            features = functional.leaky_relu(features, 0.01)
        features = convolution(
            features,
            weight.flatten(0, 1),
            bias.flatten(),
            padding=weight.shape[-1] // 2,
            groups=samples,
        )
    share = alpha.reshape(-1, *[1] * (dims + 1))
    mixed = share * features.reshape(images.shape) + (1 - share) * images
    axes = tuple(range(1, dims + 2))
    norms = [torch.linalg.vector_norm(one, dim=axes, keepdim=True) for one in (images, mixed)]
    return mixed * norms[0] / (norms[1] + 1e-5)
