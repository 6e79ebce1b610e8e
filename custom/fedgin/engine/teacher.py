"""The model that a round starts from, as the teacher of what a site leaves unknown."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from fedgin.losses.distillation import TaughtLoss
from fedgin.settings import ResolvedSettings


class Teacher:
    """Predicts with the weights of a round's start, and says how much that counts in the round.

    They are the global model's, or with algorithm `fedbn` those with the site's own normalization;
    without a federation, those after the round before.
    """

    def __init__(self, settings: ResolvedSettings, *, supervised: int) -> None:
        """Sets what is taught.

        Args:
            settings: Settings of a run with distillation.
            supervised: Views of a batch that are compared with the labels, and so are taught.
        """
        self._settings = settings.training.distillation
        self._supervised = supervised
        self._network: nn.Module | None = None

    def wrap(self, loss: nn.Module) -> TaughtLoss:
        """Adds the distillation to a loss."""
        return TaughtLoss(loss, supervised=self._supervised, temperature=self._settings.temperature)

    def before_round(
        self, network: nn.Module, loss: nn.Module, *, round_number: int, rounds: int
    ) -> None:
        """Keeps the weights as the round starts, and sets the round's weight.

        Args:
            network: The network, with its starting weights, on its device.
            loss: What `wrap` made.
            round_number: The round, from 0.
            rounds: Rounds of the whole run.
        """
        weight = self._settings.weight_in(round_number, rounds=rounds)
        if isinstance(loss, TaughtLoss):
            loss.weight = weight
        self._network = None
        if weight:
            self._network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def scores(self, images: Tensor, *, samples: int) -> Tensor | None:
        """Predicts the supervised views.

        Args:
            images: Shape (views * B, 1, *patch), view by view.
            samples: B.

        Returns:
            Shape (supervised * B, classes, *patch); None in a round without distillation.
        """
        if self._network is None:
            return None
        scores = self._network(images[: self._supervised * samples])
        whole: Tensor = scores if isinstance(scores, Tensor) else scores[0]
        return whole

    def release(self) -> None:
        """Forgets the weights."""
        self._network = None


def build_teacher(settings: ResolvedSettings, *, supervised: int) -> Teacher | None:
    """Builds a run's teacher, or None where its settings ask for none."""
    if not settings.training.distillation.weight:
        return None
    return Teacher(settings, supervised=supervised)
