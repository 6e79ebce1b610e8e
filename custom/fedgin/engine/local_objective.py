"""Hooks by which a federation's algorithm changes a site's training; see `engine.objectives`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from fedgin.engine.weights import Weights


class LocalObjective:
    """Hooks in a round of local training. These do nothing: FedAvg.

    A round calls them in this order: `starting_weights`, `before_round`, for every step
    `after_backward` and `after_step`, `state` and `control_difference`.

    Attributes:
        personal: Whether a site's starting weights differ from the global ones. It evaluates what
            it starts from, too.
    """

    personal = False

    def starting_weights(
        self, weights: Mapping[str, np.ndarray], state: Mapping[str, Any]
    ) -> Mapping[str, np.ndarray]:
        """Returns what the site starts from, or evaluates, given the global weights.

        Args:
            weights: The global weights.
            state: What `state` returned after an earlier round; empty before the first.
        """
        return weights

    def before_round(
        self,
        network: nn.Module,
        state: Mapping[str, Any],
        control: Mapping[str, np.ndarray] | None,
    ) -> None:
        """Takes note of the network as the round starts.

        Args:
            network: The network, with its starting weights, on its device.
            state: As for `starting_weights`.
            control: SCAFFOLD's global control; None elsewhere.
        """

    def after_backward(self, network: nn.Module) -> None:
        """Changes the gradient, before it is clipped."""

    def after_step(self, network: nn.Module, learning_rate: float) -> None:
        """Changes the weights after an optimizer step."""

    def state(self, network: nn.Module) -> dict[str, Any]:
        """Returns what the site must keep after the round: plain values and tensors."""
        return {}

    def control_difference(self, network: nn.Module) -> Weights | None:
        """Returns SCAFFOLD's change of the site's control in the round; None elsewhere."""
        return None

    def release(self) -> None:
        """Forgets what the round kept on the device."""
