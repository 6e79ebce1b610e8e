"""Gradients of single units, each clipped as a whole before anything is added to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import Tensor, nn

MARGIN = 1e-6
"""Share by which a clipped gradient stays below the bound, above the rounding of float32."""

Loss = Callable[..., Tensor]
"""From scores, labels and what else it is told, by name, to a scalar."""
NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class ClippedSum:
    """The sum over units of their clipped gradients.

        S = sum over units u of g_u min(1, C / ||g_u||), the norm over all parameters together

    So one unit more or less changes S by at most C, whatever the unit holds. A unit whose gradient
    is not finite adds nothing.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, max_norm: float) -> None:
        """Starts at zero.

        Args:
            parameters: The trainable parameters.
            max_norm: C, above 0.
        """
        self._max_norm = max_norm
        self.sums = [torch.zeros_like(p, dtype=torch.float64) for p in parameters]

    @torch.no_grad()
    def add(self, gradients: Sequence[Tensor]) -> None:
        """Clips and adds the gradients of some units.

        Args:
            gradients: By parameter, shape (units, *parameter's shape).
        """
        norms = torch.stack(
            [torch.linalg.vector_norm(g.flatten(1), dim=1, dtype=torch.float64) for g in gradients]
        ).norm(dim=0)
        finite = norms.isfinite()
        norms = norms[finite]
        below = (self._max_norm * (1 - MARGIN) / norms).float()
        # Never rounded up: for gradients near float32's largest, factors have few digits left.
        below = torch.nextafter(below, torch.zeros_like(below))
        factors = torch.where(norms <= self._max_norm, torch.ones_like(below), below)
        for total, gradient in zip(self.sums, gradients, strict=True):
            total += torch.tensordot(factors, gradient[finite], dims=1)


def patch_gradients(
    network: nn.Module,
    loss: Loss,
    images: Tensor,
    labels: Tensor,
    context: Mapping[str, Tensor] = NOTHING,
) -> tuple[list[Tensor], Tensor]:
    """Computes the gradient of each patch's own loss, by Opacus.

    The loss is taken patch by patch: one over the whole batch, as soft Dice is, would let a patch
    change the gradients of the others, where no clipping of theirs can bound it.

    Args:
        network: In training mode, without layers that see across a batch.
        loss: From scores and labels of one patch to a scalar.
        images: Shape (B, 1, *patch).
        labels: Shape (B, 1, *patch).
        context: What else the loss is told, patch by patch: each of shape (B, ...).

    Returns:
        By trainable parameter, shape (B, *parameter's shape); and the losses, shape (B,).
    """
    with _per_sample(network) as watched:
        # With inputs that need a gradient, torch calls the first layer's hook as any other's.
        scores = watched(images.detach().requires_grad_())
        told = [
            {name: values[number : number + 1] for name, values in context.items()}
            for number in range(len(labels))
        ]
        pairs = zip(scores.split(1), labels.split(1), told, strict=True)
        losses = torch.stack([loss(one, truth, **more) for one, truth, more in pairs])
        losses.sum().backward()
        gradients = [
            p.grad_sample  # type: ignore[attr-defined]
            for p in network.parameters()
            if p.requires_grad
        ]
    network.zero_grad(set_to_none=True)
    return gradients, losses.detach()


def whole_gradient(
    network: nn.Module,
    loss: Loss,
    images: Tensor,
    labels: Tensor,
    context: Mapping[str, Tensor] = NOTHING,
) -> tuple[list[Tensor], Tensor]:
    """Computes one gradient of all patches together: those of one patient.

    Args:
        network: In training mode.
        loss: From scores and labels to a scalar.
        images: Shape (views * B, 1, *patch).
        labels: Shape (B, 1, *patch).
        context: What else the loss is told, by name.

    Returns:
        As `patch_gradients` for a single unit.
    """
    value = loss(network(images), labels, **context)
    parameters = [p for p in network.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(value, parameters)
    return [gradient.unsqueeze(0) for gradient in gradients], value.detach().unsqueeze(0)


@contextmanager
def _per_sample(network: nn.Module) -> Iterator[nn.Module]:
    """Lets Opacus watch a network, and takes every trace of it away again."""
    from opacus import GradSampleModule

    # A layer that overwrites its input would spoil what Opacus keeps for the layer before.
    overwriting = [m for m in network.modules() if getattr(m, "inplace", False)]
    for module in overwriting:
        module.inplace = False  # type: ignore[assignment]
    watched = GradSampleModule(network, loss_reduction="sum", strict=True)
    try:
        yield watched
    finally:
        watched.to_standard_module()
        for module in network.modules():
            for left in ("activations", "max_batch_len"):
                vars(module).pop(left, None)
        for module in overwriting:
            module.inplace = True  # type: ignore[assignment]
