"""Training losses."""

from __future__ import annotations

from torch import nn

from fedgin.losses.deep_supervision import DeepSupervision
from fedgin.losses.dice_ce import DiceCrossEntropy, soft_dice
from fedgin.losses.marginal import MarginalLoss

__all__ = ["build_loss"]


def build_loss() -> nn.Module:
    """Builds the sum of soft Dice (over the batch, without background) and cross-entropy.

    Returns:
        A module from scores (B, classes, *patch), class indices (B, 1, *patch) and, where sites
        annotate some classes only, `known`, to a scalar; see `fedgin.losses.marginal`. It takes the
        several outputs of a network with deep supervision as well.
    """
    return DeepSupervision(MarginalLoss(soft_dice, DiceCrossEntropy()))
