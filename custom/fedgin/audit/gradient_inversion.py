"""Inverting gradients: finding the slice that would have led to the update that a site sent.

The method is that of Zhu et al. ("Deep Leakage from Gradients", NeurIPS 2019) with the objective of
Geiping et al. ("Inverting Gradients", NeurIPS 2020): the image is sought whose gradient points in
the direction of the update, with a penalty on the image's total variation. The cosine does not
change with the update's length, so that clipping alone hides nothing.

Everything is made easy for the attacker: one step on one slice, plain gradient descent, a smooth
network without normalization, which is inverted far more easily than the project's own, a small
image, and the label map is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

Gradients = Mapping[str, Tensor]

HISTORY = 50
LEAST_NORM = 1e-9
SMOOTH = 1e-5


def smooth_network(*, seed: int) -> nn.Module:
    """Builds a small U-Net with tanh, in float64: its gradient is smooth in the image."""
    from monai.networks.nets import UNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=2,
            channels=(16, 32),
            strides=(2,),
            num_res_units=0,
            act="tanh",
            norm=None,
        ).double()


def slice_loss(scores: Tensor, label: Tensor) -> Tensor:
    """Computes the training loss of one slice: soft Dice of the heart plus cross-entropy.

    It is `fedgin.losses.build_loss` for two classes, without the checks that cannot be mapped over
    slices.

    Args:
        scores: Shape (1, 2, height, width).
        label: Shape (1, height, width), 0 or 1.
    """
    truth = torch.stack([1 - label, label], dim=1)
    cross_entropy = -(truth * scores.log_softmax(1)).sum(1).mean()
    heart = scores.softmax(1)[:, 1]
    overlap, mass = (heart * truth[:, 1]).sum(), heart.sum() + truth[:, 1].sum()
    return cross_entropy + 1 - (2 * overlap + SMOOTH) / (mass + SMOOTH)


def gradient_function(network: nn.Module) -> Callable[[Tensor, Tensor], Gradients]:
    """Returns the function from slices and labels, (N, 1, H, W) both, to each slice's gradient.

    Its result has by parameter an array of shape (N, *parameter), differentiable in the slices.
    """
    from torch.func import functional_call, grad, vmap

    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def loss(values: Mapping[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return slice_loss(functional_call(network, dict(values), (image[None],)), label)

    mapped = vmap(grad(loss), in_dims=(None, 0, 0))
    return lambda images, labels: mapped(parameters, images, labels)


def update_of(gradients: Gradients, number: int) -> dict[str, np.ndarray]:
    """Returns the update that one slice's step sends: minus its gradient, rate 1, float32."""
    return {
        name: -value[number].detach().numpy().astype(np.float32)
        for name, value in gradients.items()
    }


def invert(
    updates: list[Mapping[str, np.ndarray]],
    labels: Tensor,
    *,
    gradients: Callable[[Tensor, Tensor], Gradients],
    size: int,
    variation: float,
    evaluations: int,
    seed: int,
) -> np.ndarray:
    """Reconstructs slices from their updates, all at once.

    Args:
        updates: The update of each slice.
        labels: Shape (N, 1, size, size), float64, known to the attacker.
        gradients: From `gradient_function`.
        size: Pixels of a side.
        variation: Weight of the total variation.
        evaluations: Evaluations of the gradient that the attacker can afford.
        seed: Seed of the first guess.

    Returns:
        Shape (N, size, size), cut to [-1, 1], the range of a prepared CT slice.
    """
    target = {
        name: -torch.from_numpy(np.stack([np.asarray(u[name], np.float64) for u in updates]))
        for name in updates[0]
    }
    # Layers count alike, whatever the size of their gradients.
    scale = {
        name: 1 / value.flatten(1).norm(dim=1, keepdim=True).clamp_min(LEAST_NORM)
        for name, value in target.items()
    }

    def direction(values: Gradients) -> Tensor:
        return torch.cat([values[name].flatten(1) * scale[name] for name in target], dim=1)

    aim = direction(target)
    generator = torch.Generator().manual_seed(seed)
    shape = (len(updates), 1, size, size)
    guess = 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64) - 0.2
    guess.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [guess],
        max_iter=evaluations,
        max_eval=evaluations,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        found = direction(gradients(guess, labels))
        distance = 1 - nn.functional.cosine_similarity(found, aim, dim=1)
        total = (distance + variation * _total_variation(guess)).sum()
        total.backward()
        return total

    optimizer.step(objective)
    return guess.detach().clamp(-1, 1)[:, 0].numpy()


def _total_variation(images: Tensor) -> Tensor:
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean((1, 2, 3))
    across = (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
    return down + across
