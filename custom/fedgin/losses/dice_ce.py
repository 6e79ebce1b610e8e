"""Soft Dice and cross-entropy: MONAI's `DiceLoss` and `DiceCELoss`, without importing MONAI.

As with the network (see `fedgin.networks.unet`), the import would take longer than a small round.
Sums are taken in MONAI's order, so that losses and gradients are the same to the last bit.

Source: Milletari et al., "V-Net", 3DV 2016 (arXiv 1606.04797), in the form with sums over the batch
and without squares in the denominator.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SMOOTHING = 1e-5


def soft_dice(scores: Tensor, labels: Tensor) -> Tensor:
    """Computes 1 - (2 sum p t + s) / (sum p + sum t + s) for each class but the background.

    The sums run over the voxels of the whole batch, p is the softmax of the scores, t is 1 where a
    voxel has the class, and s = 1e-5.

    Args:
        scores: Shape (B, classes, *patch).
        labels: Class indices, shape (B, 1, *patch).

    Returns:
        Shape (classes - 1,), values in [0, 1].
    """
    classes = torch.arange(1, scores.shape[1], device=labels.device)
    truth = (labels == classes.reshape(1, -1, *(1,) * (scores.dim() - 2))).to(scores.dtype)
    shares = torch.softmax(scores, dim=1)[:, 1:]
    axes = [0, *range(2, scores.dim())]
    both = torch.sum(shares * truth, dim=axes)
    invented = 0.5 * (torch.sum(shares, dim=axes) - both)
    missed = 0.5 * (torch.sum(truth, dim=axes) - both)
    return 1 - (2 * both + SMOOTHING) / (2 * (both + invented + missed) + SMOOTHING)


class DiceCrossEntropy(nn.Module):
    """The mean over classes of soft Dice, plus the mean over voxels of cross-entropy."""

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Computes the loss.

        Args:
            scores: Shape (B, classes, *patch).
            labels: Class indices, shape (B, 1, *patch).

        Returns:
            A scalar.
        """
        cross_entropy = functional.cross_entropy(scores, labels.squeeze(1).long())
        return soft_dice(scores, labels).mean() + cross_entropy
