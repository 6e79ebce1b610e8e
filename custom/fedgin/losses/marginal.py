"""The segmentation loss where a site annotates some classes only.

What a site does not annotate is unknown there, not background: a voxel without a label is
background or one of the unknown classes. So its probability is the sum of theirs, a marginal one,
and takes the place of the background's in any loss.

Source: Shi et al., "Marginal loss and exclusion loss for partially supervised multi-organ
segmentation", Medical Image Analysis 70, 2021 (arXiv 2007.03868).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

BACKGROUND = 0


class MarginalLoss(nn.Module):
    """Soft Dice plus cross-entropy, over the classes that each sample's site annotates.

    With p = softmax(scores), U the classes that are unknown in a sample, and
    q_0 = p_0 + sum over u in U of p_u, q_c = p_c for known classes, q_u = 0:

    - cross-entropy: the mean over all voxels of -log q_y, y the label (0: background or unknown);
    - soft Dice: for each class over the samples in which it is known,
      1 - (2 sum q_c t_c + s) / (sum q_c + sum t_c + s) with t_c = [y = c] and its smoothing s,
      then the mean over the classes that at least one sample knows.

    Without `known`, or where all is known, it is the loss that it is built on, bit for bit.
    """

    def __init__(self, dice: Callable[[Tensor, Tensor], Tensor], whole: nn.Module) -> None:
        """Sets the parts.

        Args:
            dice: From scores (B, classes, *patch) and labels to soft Dice losses by class but the
                background, over the batch.
            whole: The loss where everything is known.
        """
        super().__init__()
        self._dice = dice
        self._whole = whole

    def forward(self, scores: Tensor, labels: Tensor, known: Tensor | None = None) -> Tensor:
        """Computes the loss.

        Args:
            scores: Shape (B, classes, *patch), any real numbers.
            labels: Class indices, shape (B, 1, *patch); no sample has one that it does not know.
            known: Shape (B, classes), bool: True where the sample's site annotates the class; the
                background always is. None where everything is known.

        Returns:
            A scalar.
        """
        if known is None:
            whole: Tensor = self._whole(scores, labels)
            return whole
        merged = merge_unknown(scores, known)
        cross_entropy = nn.functional.cross_entropy(merged, labels.squeeze(1).long())
        # In a sample that does not know a class its probability and its target are both 0: such
        # samples take no part in that class's sums.
        by_class = self._dice(merged, labels)
        counts = known[:, 1:].any(dim=0).to(by_class)
        # Where no sample knows any class there is no Dice to take a mean of: 0.
        dice = (by_class * counts).sum() / counts.sum().clamp_min(1)
        return dice + cross_entropy


def merge_unknown(scores: Tensor, known: Tensor) -> Tensor:
    """Gives the background the unknown classes' share, and them nothing.

    The scores of a softmax are logarithms of shares, so the merged background's is
    log(exp(s_0) + sum over u in U of exp(s_u)), and an unknown class's is minus infinity.

    Args:
        scores: Shape (B, classes, *patch).
        known: Shape (B, classes), bool; True for the background.

    Returns:
        Scores of the same shape whose softmax is q of `MarginalLoss`. A sample that knows all
        classes keeps its scores, bit for bit.
    """
    there = known.reshape(*known.shape, *(1,) * (scores.dim() - 2)).to(scores.device)
    group = ~there
    group[:, BACKGROUND] = True
    background = scores.masked_fill(~group, -torch.inf).logsumexp(dim=1, keepdim=True)
    merged = torch.cat([background, scores[:, BACKGROUND + 1 :]], dim=1)
    return merged.masked_fill(~there, -torch.inf)
