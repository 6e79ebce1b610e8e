"""Poisoning: one of five sites harms the model; robust aggregation and the gate stand against it.

Attacks of site-5, in every round:

- sign flip: it sends -10 times its update;
- not a number: all its values are nan;
- inflated count: it sends -1 times its update, and claims 1,000 times its slices;
- label flip: it trains on label maps with heart and background exchanged.

Defences: the gate refuses what is not finite or far above the running median norm, and limits a
site's share of the weight; the median and the trimmed mean count all sites alike, after the check
for finite values that every defended server makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fedgin.audit.federation import (
    Aggregate,
    Contribution,
    Member,
    Tamper,
    fedavg,
    federate,
    held_out_dice,
    is_finite,
    loaders,
    make_member,
    small_settings,
)
from fedgin.audit.row import AuditRow, Figure
from fedgin.data.prepare import PreparedCase
from fedgin.engine.averaging import average_updates
from fedgin.engine.robust import coordinate_median, trimmed_mean
from fedgin.engine.round_norms import accepted_norms, refuse_large
from fedgin.engine.site_weights import capped_weights
from fedgin.engine.update_norms import update_norms
from fedgin.engine.weights import Weights
from fedgin.federation_settings import UpdateGate

ROUNDS, STEPS = 5, 12
POISONER = "site-5"
PROTOCOLS = {
    "site-1": "arterial",
    "site-2": "portal-venous",
    "site-3": "arterial",
    "site-4": "portal-venous",
    POISONER: "arterial",
}
SHARE = 0.25
GATE = f"gate and share at most {SHARE:g}"
TRIM = 0.2
LOSS = 0.15
"""Dice that a defended model may lie below the clean one."""
HARM = 0.3
"""Dice by which each of the first three attacks must lower the undefended model."""

HARMFUL = ("sign flip x10", "not a number", "inflated count")
ATTACKS = (*HARMFUL, "label flip")


@dataclass(frozen=True)
class Outcome:
    """Dice by attack (`clean` is none) and aggregation."""

    dice: Mapping[str, Mapping[str, float]]

    def holds(self) -> bool:
        """Tells whether FedAvg falls to the harmful attacks and every defence stands."""
        clean = self.dice["clean"]["FedAvg"]
        falls = all(self.dice[attack]["FedAvg"] <= clean - HARM for attack in HARMFUL)
        stands = all(
            dice >= clean - LOSS
            for attack in ATTACKS
            for rule, dice in self.dice[attack].items()
            if rule != "FedAvg"
        )
        return falls and stands


def run(*, folder: Path, seed: int) -> AuditRow:
    """Poisons the federation in four ways, without and with each defence."""
    start = time.perf_counter()
    outcome = measure(folder=folder, seed=seed)
    without = [Figure(f"{name}, FedAvg: Dice", row["FedAvg"]) for name, row in outcome.dice.items()]
    defended = [
        Figure(f"{name}, {rule}", dice)
        for name, row in outcome.dice.items()
        for rule, dice in row.items()
        if rule != "FedAvg"
    ]
    return AuditRow(
        attack=f"poisoning by one of five sites, {ROUNDS} rounds: final Dice",
        without=tuple(without),
        defended=tuple(defended),
        bound=f"sign flip, nan and inflated count cost FedAvg {HARM:g} Dice or more; under every "
        f"attack each defence stays within {LOSS:g} of the clean FedAvg",
        holds=outcome.holds(),
        seconds=time.perf_counter() - start,
    )


def measure(*, folder: Path, seed: int) -> Outcome:
    """Trains a federation for each attack and each aggregation, and one that nobody attacks.

    Args:
        folder: Folder for volumes and states.
        seed: Seed of patients, weights and draws.
    """
    members = make_members(folder=folder, seed=seed)
    dice: dict[str, dict[str, float]] = {}
    for attack in ("clean", *ATTACKS):
        rules = AGGREGATIONS if attack != "clean" else {"FedAvg": AGGREGATIONS["FedAvg"]}
        dice[attack] = {
            rule: final_dice(
                members, attack=attack, aggregate=make(), folder=folder / attack / rule
            )
            for rule, make in rules.items()
        }
    return Outcome(dice)


def final_dice(
    members: Sequence[Member], *, attack: str, aggregate: Aggregate, folder: Path
) -> float:
    """Trains one federation and measures its last model on all sites' test patients."""
    weights = federate(
        poisoned(members) if attack == "label flip" else members,
        rounds=ROUNDS,
        folder=folder,
        aggregate=aggregate,
        tamper=tamper_of(attack),
    )
    return held_out_dice(weights, members)


def make_members(*, folder: Path, seed: int) -> list[Member]:
    """Makes the five sites, two training patients and one test patient each."""
    settings = small_settings(seed=seed, steps=STEPS)
    return [
        make_member(
            name,
            settings=settings,
            folder=folder,
            seed=100 * (seed + 1) + number,
            train=2,
            test=1,
            protocol=protocol,
        )
        for number, (name, protocol) in enumerate(PROTOCOLS.items())
    ]


def poisoned(members: Sequence[Member]) -> list[Member]:
    """Exchanges heart and background in the poisoner's training cases."""
    return [
        member.trained_on([flipped(case) for case in member.train])
        if member.name == POISONER
        else member
        for member in members
    ]


def flipped(case: PreparedCase) -> PreparedCase:
    """Returns a case of two classes with its classes exchanged."""
    label = (1 - np.asarray(case.label)).astype(np.uint8)
    places = np.argwhere(label)
    foreground = np.column_stack([np.ones(len(places), dtype=np.int32), places]).astype(np.int32)
    return replace(case, label=label, foreground=foreground)


def tamper_of(attack: str) -> Tamper:
    """Returns what the poisoner does to its contribution in an attack."""
    factor = {"sign flip x10": -10.0, "not a number": np.nan, "inflated count": -1.0}.get(attack, 1)
    claim = 1000.0 if attack == "inflated count" else 1.0

    def tamper(site: str, number: int, honest: Contribution) -> Contribution:
        if site != POISONER:
            return honest
        update = {
            name: np.asarray(array * np.float32(factor)) for name, array in honest.update.items()
        }
        return Contribution(update, honest.slices * claim)

    return tamper


def gated() -> Aggregate:
    """Makes FedAvg behind the server's gate at its defaults, with a limit on a site's share."""
    gate = UpdateGate()
    norms: dict[int, dict[str, dict[str, float]]] = {}
    accepted: dict[int, list[str]] = {}

    def aggregate(received: Mapping[str, Contribution]) -> Weights:
        number, finite = len(norms), _finite(received)
        norms[number] = {site: update_norms(part.update) for site, part in finite.items()}
        refused = refuse_large(
            norms[number],
            accepted=accepted_norms(norms, accepted, before=number),
            factor=gate.factor,
            rounds=gate.rounds,
        )
        passed = {site: part for site, part in finite.items() if site not in refused}
        accepted[number] = list(passed)
        claimed = {site: part.slices for site, part in passed.items()}
        return average_updates(loaders(passed), weights=capped_weights(claimed, max_share=SHARE))

    return aggregate


def _finite(received: Mapping[str, Contribution]) -> dict[str, Contribution]:
    return {site: part for site, part in received.items() if is_finite(part.update)}


AGGREGATIONS: Mapping[str, Callable[[], Aggregate]] = {
    "FedAvg": lambda: fedavg,
    GATE: gated,
    "median": lambda: lambda received: coordinate_median(loaders(_finite(received))),
    "trimmed mean": lambda: lambda received: trimmed_mean(loaders(_finite(received)), trim=TRIM),
}
