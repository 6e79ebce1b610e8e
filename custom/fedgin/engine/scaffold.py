"""SCAFFOLD: control variates against the drift of sites whose data differ.

Source: Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML
2020 (arXiv 1910.06378), option II.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from fedgin.engine.local_objective import LocalObjective
from fedgin.engine.weights import Weights
from fedgin.errors import ConfigError, Problem


class Scaffold(LocalObjective):
    """A site's side of SCAFFOLD, over the trainable parameters.

    With w_0 the weights received, c the global control, c_k the site's and lr_t the learning rate
    of step t, every optimizer step is followed by w <- w - lr_t (c - c_k), and after the round

        c_k' = c_k - c + (w_0 - w) / sum_t lr_t,

    the site's mean step per unit of learning rate. The server adds the mean of all sites'
    c_k' - c_k to c. Where the optimizer is SGD such a step is a gradient. With AdamW it is the
    preconditioned step (first moment over the root of the second, weight decay included): the
    controls then estimate and correct those, not gradients. The paper's guarantees are for SGD.

    A step that loss scaling skips (float16 on CUDA) counts as one without gradient.

    A site that has no control yet starts from zeros. Statistics of normalization layers are no
    parameters: they have no control.
    """

    def __init__(self) -> None:
        """Starts outside any round."""
        self._received: dict[str, torch.Tensor] = {}
        self._local: dict[str, torch.Tensor] = {}
        self._correction: dict[str, torch.Tensor] = {}
        self._rates = 0.0

    def before_round(
        self,
        network: nn.Module,
        state: Mapping[str, Any],
        control: Mapping[str, np.ndarray] | None,
    ) -> None:
        """Takes the received weights and both controls to the device.

        Raises:
            ConfigError: The server sent no control, or it does not fit the network.
        """
        parameters = trainable(network)
        shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
        if control is None or any(
            name not in control or np.shape(control[name]) != shape
            for name, shape in shapes.items()
        ):
            raise ConfigError(
                Problem(
                    "key 'algorithm'",
                    "scaffold needs a server that sends a control for every parameter",
                    "none came" if control is None else "names or shapes are not the network's",
                    "make the job with `fedgin job export --set algorithm=scaffold`",
                )
            )
        known = state.get("control", {})
        self._rates = 0.0
        self._received, self._local, self._correction = {}, {}, {}
        for name, parameter in parameters.items():
            self._received[name] = parameter.detach().clone()
            local = known.get(name)
            self._local[name] = (
                torch.zeros_like(parameter) if local is None else local.to(parameter)
            )
            received = torch.as_tensor(np.asarray(control[name])).to(parameter)
            self._correction[name] = received - self._local[name]

    @torch.no_grad()
    def after_step(self, network: nn.Module, learning_rate: float) -> None:
        """Corrects the step by the difference of the controls."""
        for name, parameter in trainable(network).items():
            parameter.add_(self._correction[name], alpha=-learning_rate)
        self._rates += learning_rate

    @torch.no_grad()
    def _new_control(self, network: nn.Module) -> dict[str, torch.Tensor]:
        return {
            name: (self._received[name] - parameter) / self._rates - self._correction[name]
            for name, parameter in trainable(network).items()
        }

    def state(self, network: nn.Module) -> dict[str, Any]:
        """Returns the site's new control."""
        return {"control": self._new_control(network)}

    def control_difference(self, network: nn.Module) -> Weights:
        """Returns new control - old control."""
        return {
            name: (control - self._local[name]).cpu().numpy()
            for name, control in self._new_control(network).items()
        }

    def release(self) -> None:
        """Forgets the received weights and the controls; the site's own lies on disk."""
        self._received, self._local, self._correction = {}, {}, {}


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Returns a network's trainable parameters by their names in its state."""
    return {
        name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad
    }
