"""A small phantom heart federation for the audit, driven through the project's own trainer.

The sites' rounds, the preparation of their volumes and the averaging are those of a real run; only
the transport between sites and server is missing. What the attacker and the defence do is given as
functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fedgin.config import parse
from fedgin.data.prepare import PreparedCase, prepare_site
from fedgin.engine.averaging import average_updates
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import Weights, add, get_weights
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Contribution:
    """What a site sends: its update and the training slices that it claims.

    Attributes:
        update: The weight difference.
        slices: The update's weight in a plain average.
    """

    update: Weights
    slices: float


Tamper = Callable[[str, int, Contribution], Contribution]
"""From site, round and what the site would send to what it sends."""

Aggregate = Callable[[Mapping[str, Contribution]], Weights]
"""From the sites' contributions of a round to the global model's change."""


@dataclass(frozen=True)
class Member:
    """A site of the federation.

    Attributes:
        name: Its name.
        train: Cases it trains on.
        test: Cases nobody trains on.
        trainer: Its trainer.
    """

    name: str
    train: tuple[PreparedCase, ...]
    test: tuple[PreparedCase, ...]
    trainer: Trainer

    @property
    def slices(self) -> float:
        """Axial slices of the training cases."""
        return float(sum(case.image.shape[0] for case in self.train))

    def trained_on(self, cases: Sequence[PreparedCase], *, steps: int | None = None) -> Member:
        """Returns the site with other training cases, and perhaps other steps in a round."""
        trainer = Trainer(
            settings=self.trainer.settings,
            site=self.name,
            cases=cases,
            device=CPU,
            steps_per_round=steps,
        )
        return dataclasses.replace(self, train=tuple(cases), trainer=trainer)


def small_settings(*, seed: int, steps: int, **more: object) -> ResolvedSettings:
    """Returns settings of a heart job whose step takes some 20 ms on one core.

    Args:
        seed: Seed of the run.
        steps: Optimizer steps of a site's round.
        **more: Further training settings.
    """
    values: dict[str, object] = {
        "task": "heart",
        "seed": seed,
        "channels": [8, 16, 32],
        "spacing": [5.0, 5.0, 10.0],
        "patch_size": [48, 48],
        "batch_size": 4,
        "steps_per_round": steps,
        "learning_rate": 5e-3,
        "augmentation": "none",
        "geometric": False,
    }
    return make_settings(**{**values, **more})


def make_member(
    name: str,
    *,
    settings: ResolvedSettings,
    folder: Path,
    seed: int,
    train: int,
    test: int,
    modality: str = "CT",
    protocol: str = "arterial",
) -> Member:
    """Generates a phantom site's patients and prepares them.

    Args:
        name: Name of the site.
        settings: Settings of the run.
        folder: Folder of the prepared volumes.
        seed: Seed of the anatomies.
        train: Patients to train on.
        test: Patients that only measure.
        modality: "CT" or "MR".
        protocol: Protocol of the modality.
    """
    content = {
        "modality": modality,
        "dataset": {"kind": "phantom", "protocol": protocol, "seed": seed, "cases": train + test},
        "split": {"by": "fraction", "validation": 0.0, "test": test / (train + test), "seed": 0},
        "cache": {"folder": str(folder / "cache")},
        "device": "cpu",
        "threads": 1,
    }
    site = Site(
        name=name, path=folder / f"{name}.yaml", config=parse(SiteConfig, content, where=name)
    )
    splits = prepare_site(site, settings).splits
    trainer = Trainer(settings=settings, site=name, cases=splits["train"], device=CPU)
    return Member(name, tuple(splits["train"]), tuple(splits["test"]), trainer)


def first_weights(settings: ResolvedSettings) -> Weights:
    """Returns the run's initial weights."""
    return get_weights(build_network(settings))


def federate(
    members: Sequence[Member],
    *,
    rounds: int,
    folder: Path,
    aggregate: Aggregate,
    tamper: Tamper = lambda site, number, contribution: contribution,
) -> Weights:
    """Runs a federation.

    Args:
        members: The sites, which all have the same settings.
        rounds: Number of rounds.
        folder: A new folder for the state between rounds.
        aggregate: What the server does with a round's contributions.
        tamper: What becomes of a contribution before the server has it.

    Returns:
        The final global weights. They are not finite where the server let such an update in; no
        site can train on them, so that the run ends there.
    """
    weights = first_weights(members[0].trainer.settings)
    for number in range(rounds):
        received = {}
        for member in members:
            result = member.trainer.run_round(
                weights, state_folder=folder / member.name, round_number=number, rounds=rounds
            )
            honest = Contribution(result.difference, member.slices)
            received[member.name] = tamper(member.name, number, honest)
        weights = add(weights, aggregate(received))
        if not is_finite(weights):
            break
    return weights


def fedavg(received: Mapping[str, Contribution]) -> Weights:
    """Averages by claimed slices: what the server does without any defence."""
    return average_updates(
        loaders(received), weights={site: part.slices for site, part in received.items()}
    )


def loaders(received: Mapping[str, Contribution]) -> dict[str, Callable[[], Weights]]:
    """Wraps updates as the aggregation functions take them."""
    return {site: partial(_update, part) for site, part in received.items()}


def _update(part: Contribution) -> Weights:
    return part.update


def is_finite(weights: Mapping[str, np.ndarray]) -> bool:
    """Tells whether all values are finite."""
    return all(np.isfinite(array).all() for array in weights.values())


def held_out_dice(weights: Weights, members: Sequence[Member]) -> float:
    """Measures the mean Dice over all sites' test patients; 0 for a model that is not finite."""
    if not is_finite(weights):
        return 0.0
    cases = [case for member in members for case in member.test]
    return members[0].trainer.evaluate(weights, cases).mean()
