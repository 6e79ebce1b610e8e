"""The loss of a training step over the views of its batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ViewLoss(nn.Module):
    """Segmentation loss of the supervised views plus consistency of all views.

    L = mean over supervised views of segmentation(view) + weight * consistency(all views)
    """

    def __init__(self, segmentation: nn.Module, *, supervised: int, consistency: float) -> None:
        """Sets the parts.

        Args:
            segmentation: From scores (B, classes, *patch), labels (B, 1, *patch) and `known` to a
                scalar, see `fedgin.losses.marginal`; where the network has several outputs, from a
                sequence of scores.
            supervised: The first so many views are compared with the labels.
            consistency: Weight of the consistency term; 0 leaves it out.
        """
        super().__init__()
        self.segmentation = segmentation
        self.supervised = supervised
        self.consistency = consistency

    def forward(
        self,
        scores: Tensor | Sequence[Tensor],
        labels: Tensor,
        known: Tensor | None = None,
    ) -> Tensor:
        """Computes the loss, in float32.

        Args:
            scores: Shape (views * B, classes, *patch), view by view; or several such outputs, the
                finest first, of which the finest alone must be consistent.
            labels: Shape (B, 1, *patch).
            known: Shape (B, classes), bool: the classes that a sample's site annotates; None where
                all do.

        Returns:
            A scalar.
        """
        outputs = [scores] if isinstance(scores, Tensor) else scores
        by_output = [output.float().split(labels.shape[0]) for output in outputs]
        finest = by_output[0]
        views = finest if isinstance(scores, Tensor) else list(zip(*by_output, strict=True))
        losses = [self.segmentation(view, labels, known=known) for view in views[: self.supervised]]
        loss = torch.stack(losses).mean()
        if self.consistency and len(finest) > 1:
            loss = loss + self.consistency * consistency(torch.stack(finest))
        return loss


def consistency(scores: Tensor) -> Tensor:
    """Measures how far the predictions of several views lie apart.

    mean over views v and voxels of KL(p_v || q), q = mean over views of p_v, p = softmax
    (the consistency term of GIN, arXiv 2111.12525, and of RandConv, arXiv 2007.13003).

    Args:
        scores: Shape (views, B, classes, *patch).

    Returns:
        A scalar, 0 where all views agree, at most log(views).
    """
    log_p = scores.log_softmax(dim=2)
    p = log_p.exp()
    log_q = p.mean(dim=0, keepdim=True).clamp_min(1e-12).log()
    return (p * (log_p - log_q)).sum(dim=2).mean()
