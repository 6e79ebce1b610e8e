"""What a federation's algorithm adds to a site's training: hooks in a round of plain training.

fedavg: nothing (McMahan et al., AISTATS 2017). fedprox: a pull towards the global model (Li et al.,
MLSys 2020, arXiv 1812.06127). fedbn: normalization layers that stay at the site (Li et al., ICLR
2021, arXiv 2102.07623). scaffold: control variates, see `fedgin.engine.scaffold`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from fedgin.engine.local_objective import LocalObjective
from fedgin.engine.scaffold import Scaffold
from fedgin.engine.weights import get_weights
from fedgin.errors import ConfigError, Problem
from fedgin.networks import build_network, normalization_keys
from fedgin.settings import ResolvedSettings, TrainingSettings


class Proximal(LocalObjective):
    """FedProx: the loss gains mu/2 ||w - w_global||^2 over the trainable parameters.

    Its gradient mu (w - w_global) is added to the loss's; both are clipped together. The training
    loss that is reported leaves the term out, so that it compares with other algorithms'.
    """

    def __init__(self, mu: float) -> None:
        """Sets the strength, above 0."""
        self._mu = mu
        self._anchor: list[torch.Tensor] = []

    def before_round(
        self,
        network: nn.Module,
        state: Mapping[str, Any],
        control: Mapping[str, np.ndarray] | None,
    ) -> None:
        """Keeps the global weights on the device."""
        self._anchor = [parameter.detach().clone() for parameter in network.parameters()]

    @torch.no_grad()
    def after_backward(self, network: nn.Module) -> None:
        """Adds the term's gradient."""
        for parameter, anchor in zip(network.parameters(), self._anchor, strict=True):
            if parameter.grad is not None:
                parameter.grad.add_(parameter - anchor, alpha=self._mu)

    def release(self) -> None:
        """Forgets the global weights."""
        self._anchor = []


class LocalNormalization(LocalObjective):
    """FedBN: a site goes on from its own normalization layers and takes the rest from the server.

    The layers are chosen by module type, see `fedgin.networks.normalization`. A site uploads the
    difference of all its weights, so the global model holds the weighted average of the sites'
    normalization layers. The rules of evaluation follow:
    - own: a site that trains measures the global model with the layers of its own last round in
      place of the averaged ones, before training and in cross-site evaluation, whichever global
      model is measured; before its first round it has none and takes the global ones;
    - average: an unseen site has none and measures the global model as it is.
    """

    personal = True

    def __init__(self, keys: frozenset[str]) -> None:
        """Names the values that stay.

        Args:
            keys: Names in the network's state, from `normalization_keys`.

        Raises:
            ConfigError: There are none.
        """
        if not keys:
            raise ConfigError(
                Problem(
                    "key 'algorithm'",
                    "fedbn needs a network whose normalization layers have values to keep",
                    "normalization 'instance', which has none",
                    "set normalization=batch or normalization=instance_affine",
                )
            )
        self._keys = keys

    def starting_weights(
        self, weights: Mapping[str, np.ndarray], state: Mapping[str, Any]
    ) -> Mapping[str, np.ndarray]:
        """Lays the site's own normalization values over the global weights."""
        own = {name: tensor.cpu().numpy() for name, tensor in state.get("own", {}).items()}
        return {**weights, **own}

    def state(self, network: nn.Module) -> dict[str, Any]:
        """Returns the site's own normalization values."""
        values = get_weights(network)
        return {"own": {name: torch.from_numpy(values[name]) for name in sorted(self._keys)}}


def check_algorithm(settings: ResolvedSettings) -> None:
    """Checks that a run's algorithm fits its network, before any site has prepared data.

    Raises:
        ConfigError: It does not.
    """
    if settings.training.algorithm == "fedbn":
        build_objective(settings.training, build_network(settings))


def build_objective(training: TrainingSettings, network: nn.Module) -> LocalObjective:
    """Builds what a run's algorithm adds to local training.

    Args:
        training: Settings of the run.
        network: The run's network.

    Raises:
        ConfigError: The algorithm does not fit the network.
    """
    if training.algorithm == "fedprox":
        return Proximal(training.proximal_mu)
    if training.algorithm == "fedbn":
        return LocalNormalization(normalization_keys(network))
    if training.algorithm == "scaffold":
        return Scaffold()
    return LocalObjective()
