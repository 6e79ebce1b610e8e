"""Training losses."""

from __future__ import annotations

from torch import nn

__all__ = ["build_loss"]


def build_loss() -> nn.Module:
    """Builds the sum of soft Dice (over the batch, without background) and cross-entropy.

    Returns:
        A module from scores (B, classes, *patch) and class indices (B, 1, *patch) to a scalar.
    """
    from monai.losses import DiceCELoss

    return DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
