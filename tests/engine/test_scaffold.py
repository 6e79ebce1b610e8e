"""SCAFFOLD on quadratics, whose optimum is known, and in the trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_trainer import STEPS, one_round, same_bits, settings, start, trainer
from torch import nn

from fedgin.engine.averaging import control_update
from fedgin.engine.local_objective import LocalObjective
from fedgin.engine.optimization import LearningRate
from fedgin.engine.scaffold import Scaffold, trainable
from fedgin.engine.weights import Weights, add
from fedgin.errors import ConfigError

# f_k(w) = sum_i curvature_i / 2 (w_i - centre_i)^2: sites that pull apart, and unlike strongly.
CURVATURE = {"a": np.array([1.0, 8.0]), "b": np.array([6.0, 1.0]), "c": np.array([2.0, 3.0])}
CENTRE = {"a": np.array([4.0, -3.0]), "b": np.array([-5.0, 2.0]), "c": np.array([1.0, 7.0])}
OPTIMUM = sum(CURVATURE[k] * CENTRE[k] for k in CURVATURE) / sum(CURVATURE.values())
RATE = 0.02


class Point(nn.Module):
    """A network that is nothing but its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))
        self.register_buffer("seen", torch.zeros(1))


class QuadraticSite:
    """Plain gradient steps on one site's quadratic, with an algorithm's hooks."""

    def __init__(self, name: str, objective: LocalObjective) -> None:
        self.curvature = torch.tensor(CURVATURE[name], dtype=torch.float32)
        self.centre = torch.tensor(CENTRE[name], dtype=torch.float32)
        self.objective = objective
        self.kept: dict[str, object] = {}

    def round(
        self, weights: np.ndarray, control: np.ndarray, *, steps: int = 25
    ) -> tuple[np.ndarray, Weights | None]:
        network = Point()
        with torch.no_grad():
            network.w.copy_(torch.tensor(weights))
        self.objective.before_round(network, self.kept, {"w": control})
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
        for _ in range(steps):
            optimizer.zero_grad()
            (0.5 * self.curvature * (network.w - self.centre) ** 2).sum().backward()
            self.objective.after_backward(network)
            optimizer.step()
            self.objective.after_step(network, RATE)
        self.kept = self.objective.state(network)
        difference = network.w.detach().numpy() - weights
        return difference, self.objective.control_difference(network)


def federate(make: type[LocalObjective], *, rounds: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns the last global weights and control, and the sites."""
    sites = {name: QuadraticSite(name, make()) for name in CURVATURE}
    weights, control = np.zeros(2, np.float32), np.zeros(2, np.float32)
    for _ in range(rounds):
        answers = {name: site.round(weights, control) for name, site in sites.items()}
        weights = weights + np.mean([a[0] for a in answers.values()], axis=0)
        changes = {name: a[1] for name, a in answers.items() if a[1] is not None}
        if changes:
            held = {name: (lambda c=change: c) for name, change in changes.items()}
            control = control + control_update(held, n_sites=len(sites))["w"]
    return weights, control, list(sites.values())


def test_it_finds_the_optimum_that_federated_averaging_misses() -> None:
    averaged, _, _ = federate(LocalObjective, rounds=80)
    corrected, control, sites = federate(Scaffold, rounds=80)
    assert np.abs(averaged - OPTIMUM).max() > 0.3
    np.testing.assert_allclose(corrected, OPTIMUM, atol=1e-3)
    # There each site's control is its own gradient, and they cancel.
    np.testing.assert_allclose(control, 0, atol=1e-3)
    for name, site in zip(CURVATURE, sites, strict=True):
        gradient = CURVATURE[name] * (OPTIMUM - CENTRE[name])
        np.testing.assert_allclose(site.kept["control"]["w"], gradient, rtol=1e-3, atol=1e-2)


def test_the_global_control_is_the_mean_of_the_sites() -> None:
    _, control, sites = federate(Scaffold, rounds=3)
    mean = np.mean([site.kept["control"]["w"].numpy() for site in sites], axis=0)
    np.testing.assert_allclose(control, mean, rtol=1e-5)
    assert np.abs(control).max() > 0.1


def test_only_trainable_parameters_have_a_control() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    network[0].bias.requires_grad_(False)
    assert trainable(network).keys() == {"0.weight", "1.weight", "1.bias"}


def zeros(weights: Weights) -> Weights:
    return {name: np.zeros_like(array) for name, array in weights.items()}


def test_the_first_round_is_that_of_federated_averaging_and_gives_the_mean_step(
    tmp_path: Path,
) -> None:
    more = {"algorithm": "scaffold", "normalization": "batch"}
    engine, weights = trainer(**more), start(**more)
    result = one_round(engine, weights, tmp_path / "a", control=zeros(weights))
    plain = one_round(trainer(normalization="batch"), weights, tmp_path / "b")
    assert same_bits(result.difference, plain.difference)
    assert plain.control_difference is None
    rate = LearningRate(settings().training)
    rates = sum(rate.at(step=step, total_steps=4 * STEPS) for step in range(STEPS))
    assert result.control_difference is not None
    assert result.control_difference.keys() == dict(engine.network.named_parameters()).keys()
    for name, array in result.control_difference.items():
        np.testing.assert_allclose(array, -result.difference[name] / rates, rtol=1e-4, atol=1e-6)
        assert np.abs(array).max() > 0


def test_a_new_process_every_round_gives_the_bits_of_one_process(tmp_path: Path) -> None:
    lasting = trainer(algorithm="scaffold")
    runs = {}
    for folder in ("one", "many"):
        weights, control = start(), zeros(start())
        for number in range(3):
            engine = lasting if folder == "one" else trainer(algorithm="scaffold")
            path = tmp_path / folder
            result = one_round(engine, weights, path, number=number, control=control)
            again = one_round(engine, weights, path, number=number, control=control)
            assert same_bits(result.difference, again.difference)
            assert result.control_difference is not None
            weights = add(weights, result.difference)
            # Half of it, as if another site had sent nothing: else both controls were the same.
            half = {name: array / 2 for name, array in result.control_difference.items()}
            control = add(control, half)
        runs[folder] = weights
    assert same_bits(runs["one"], runs["many"])
    plain = start()
    for number in range(3):
        result = one_round(trainer(), plain, tmp_path / "plain", number=number)
        plain = add(plain, result.difference)
    assert not same_bits(runs["one"], plain)


def test_a_server_without_controls_is_refused_in_words(tmp_path: Path) -> None:
    engine = trainer(algorithm="scaffold")
    for control, words in ((None, "none came"), ({}, "not the network's")):
        with pytest.raises(ConfigError, match=f"{words}.*fedgin job export"):
            one_round(engine, start(), tmp_path, control=control)
