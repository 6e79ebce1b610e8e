"""What the model that a round starts from says of the classes that a site does not annotate.

Source of the idea: Wang et al., "ConDistFL: Conditional Distillation for Federated Learning from
Partially Annotated Data", DeCaF 2023 (arXiv 2308.04070). There soft Dice compares the conditional
probabilities; it is not 0 between two equal soft predictions, so here the divergence is taken.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class ConditionalDistillation(nn.Module):
    """Divergence of student and teacher over what a site leaves open.

    With G the background and the classes that are unknown in a sample, T the temperature and

        t_g = exp(teacher_g / T) / sum over h in G of exp(teacher_h / T), s_g likewise,

    the conditional probabilities of g in G given that a voxel is none of the known classes, the
    loss is T^2 times the mean over voxels of KL(t || s). A voxel counts where neither the label nor
    the teacher says a known class, and only in samples with unknown classes. T^2 keeps the
    gradient's size for any temperature (Hinton et al., arXiv 1503.02531).
    """

    def __init__(self, *, temperature: float) -> None:
        """Sets the temperature, above 0; below 1 it sharpens both distributions."""
        super().__init__()
        self._temperature = temperature

    def forward(self, scores: Tensor, labels: Tensor, known: Tensor, teacher: Tensor) -> Tensor:
        """Computes the loss.

        Args:
            scores: The student's, shape (B, classes, *patch).
            labels: Class indices, shape (B, 1, *patch).
            known: Shape (B, classes), bool; True for the background.
            teacher: The teacher's scores, of the student's shape, without gradient.

        Returns:
            A scalar, 0 where student and teacher agree and where no voxel counts.
        """
        there = known.reshape(*known.shape, *(1,) * (scores.dim() - 2)).to(scores.device)
        shut = there.clone()
        shut[:, 0] = False
        said = teacher.argmax(dim=1, keepdim=True)
        says_known = shut.expand_as(teacher).gather(1, said)
        counts = ((labels == 0) & ~says_known & ~there.all(dim=1, keepdim=True)).squeeze(1)
        ours, theirs = (
            # Finite, since a difference of infinite logarithms is no number.
            (values / self._temperature).masked_fill(shut, LOWEST).log_softmax(dim=1)
            for values in (scores, teacher.to(scores.dtype))
        )
        divergence = (theirs.exp() * (theirs - ours)).sum(dim=1)
        total = (divergence * counts).sum() / counts.sum().clamp_min(1)
        return total * self._temperature**2


LOWEST = -1e4
"""A score whose share is 0 in float32, and in float16 a number still."""


class TaughtLoss(nn.Module):
    """A loss plus the distillation of its supervised views.

    Attributes:
        weight: What the distillation counts by in this round, at least 0.
    """

    def __init__(self, loss: nn.Module, *, supervised: int, temperature: float) -> None:
        """Sets the parts.

        Args:
            loss: The loss without distillation: scores, labels and `known` to a scalar.
            supervised: The first so many views are taught.
            temperature: As for `ConditionalDistillation`.
        """
        super().__init__()
        self.loss = loss
        self.weight = 0.0
        self._supervised = supervised
        self._distillation = ConditionalDistillation(temperature=temperature)

    def forward(
        self,
        scores: Any,
        labels: Tensor,
        known: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> Tensor:
        """Computes the loss.

        Args:
            scores: The network's output, shape (views * B, classes, *patch); of several outputs the
                first, at full resolution, is taught.
            labels: Shape (B, 1, *patch).
            known: Shape (B, classes), bool; None where everything is known, and nothing is taught.
            teacher: The teacher's scores of the supervised views; None teaches nothing.

        Returns:
            A scalar.
        """
        loss: Tensor = self.loss(scores, labels, known=known)
        if known is None or teacher is None or not self.weight:
            return loss
        first = scores if isinstance(scores, Tensor) else scores[0]
        taught = first.float().split(labels.shape[0])[: self._supervised]
        teaching = teacher.split(labels.shape[0])
        parts = [
            self._distillation(ours, labels, known, theirs)
            for ours, theirs in zip(taught, teaching, strict=True)
        ]
        return loss + self.weight * torch.stack(parts).mean()
