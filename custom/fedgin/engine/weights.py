"""Weights as named float32 arrays: what travels between server and sites."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from fedgin.errors import FedginError, Problem

Weights = dict[str, np.ndarray]


class WeightsError(FedginError):
    """Weights do not belong to the network."""


def get_weights(network: nn.Module) -> Weights:
    """Copies a network's state to the CPU as arrays."""
    return {
        name: tensor.detach().to("cpu", copy=True).numpy()
        for name, tensor in network.state_dict().items()
    }


def set_weights(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Copies arrays into a network, cast to the types that it has.

    Raises:
        WeightsError: Names or shapes are not the network's, or a value is not finite.
    """
    state = network.state_dict()
    problems = []
    missing, unknown = sorted(state.keys() - weights.keys()), sorted(weights.keys() - state.keys())
    if missing or unknown:
        problems.append(
            Problem(
                "weights",
                "names must be those of the network",
                f"{len(missing)} missing {missing[:3]}, {len(unknown)} unknown {unknown[:3]}",
                "use the same network settings as the run that made the weights",
            )
        )
    for name in state.keys() & weights.keys():
        array = np.asarray(weights[name])
        if tuple(array.shape) != tuple(state[name].shape):
            problems.append(
                Problem(
                    f"weights '{name}'",
                    f"the shape must be {tuple(state[name].shape)}",
                    str(tuple(array.shape)),
                    "use the same network settings as the run that made the weights",
                )
            )
        elif not np.isfinite(array).all():
            problems.append(
                Problem(
                    f"weights '{name}'",
                    "values must be finite",
                    f"{int(np.sum(~np.isfinite(array)))} that are not",
                    "go back to an earlier model",
                )
            )
    if problems:
        raise WeightsError(problems)
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(torch.from_numpy(np.array(weights[name])))


def subtract(new: Weights, old: Mapping[str, np.ndarray]) -> Weights:
    """Returns new - old, array by array, in float32."""
    return {
        # numpy makes a number of an array without dimensions, such as a count of batches.
        name: np.asarray(new[name].astype(np.float32) - np.asarray(old[name], dtype=np.float32))
        for name in new
    }


def add(weights: Mapping[str, np.ndarray], difference: Mapping[str, np.ndarray]) -> Weights:
    """Returns weights + difference, array by array, in the type of the weights."""
    return {
        name: np.asarray(np.asarray(array) + difference[name]).astype(np.asarray(array).dtype)
        for name, array in weights.items()
    }
