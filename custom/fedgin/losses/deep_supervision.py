"""Deep supervision: the loss of coarser outputs counts too, less the coarser they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class DeepSupervision(nn.Module):
    """A loss over the outputs of several decoder levels.

    L = sum over outputs i of w_i * loss(output i, labels on its grid),
    w_i = 2^-i / sum over j of 2^-j, the finest being i = 0

    with nnU-Net's weights (Isensee et al., Nature Methods 2021). The labels of a coarser grid are
    those of the nearest voxels (centre to centre, `nearest-exact` of torch).
    """

    def __init__(self, loss: nn.Module) -> None:
        """Sets the loss of one output.

        Args:
            loss: From scores (B, classes, *grid) and labels (B, 1, *grid) to a scalar.
        """
        super().__init__()
        self.loss = loss

    def forward(
        self, scores: Tensor | Sequence[Tensor], labels: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Computes the loss.

        Args:
            scores: One output, for which the loss is the inner one; or several, the finest first.
            labels: Class indices, shape (B, 1, *patch), of the finest output's grid.
            known: Shape (B, classes), bool: the classes that a sample's site annotates, alike for
                every output; None where all do, and the inner loss then is not told.

        Returns:
            A scalar.
        """
        context = {} if known is None else {"known": known}
        if isinstance(scores, Tensor):
            single: Tensor = self.loss(scores, labels, **context)
            return single
        losses = [
            self.loss(output, labels_on(labels, output.shape[2:]), **context) for output in scores
        ]
        weights = output_weights(len(losses))
        return torch.stack([w * loss for w, loss in zip(weights, losses, strict=True)]).sum()


def output_weights(count: int) -> list[float]:
    """Returns the weights of so many outputs, the finest first: 2^-i over their sum."""
    total = sum(0.5**i for i in range(count))
    return [0.5**i / total for i in range(count)]


def labels_on(labels: Tensor, grid: Sequence[int]) -> Tensor:
    """Brings labels to a coarser grid; each voxel takes the label nearest to its centre.

    Args:
        labels: Class indices below 2**24, shape (B, 1, *patch).
        grid: Size along each axis.

    Returns:
        Shape (B, 1, *grid), of the labels' type.
    """
    if tuple(grid) == tuple(labels.shape[2:]):
        return labels
    nearest = functional.interpolate(labels.float(), size=tuple(grid), mode="nearest-exact")
    return nearest.to(labels.dtype)
