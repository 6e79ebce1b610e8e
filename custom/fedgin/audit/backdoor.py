"""A backdoor: one small site plants a trigger and replaces the model; the norm clip holds it back.

The trigger is a chequered square, and the planted lie is that the heart lies under it. In the last
rounds the site trains on its own slices and on copies with the trigger, and scales its update so
that the average becomes its own model (Bagdasaryan et al., "How To Backdoor Federated Learning",
AISTATS 2020: model replacement). The defence scales every update down to a norm that the server
sets (Sun et al., "Can You Really Backdoor Federated Learning?", arXiv 1911.07963).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fedgin.audit.federation import (
    Aggregate,
    Contribution,
    Member,
    fedavg,
    federate,
    first_weights,
    held_out_dice,
    loaders,
    make_member,
    small_settings,
)
from fedgin.audit.row import AuditRow, Figure
from fedgin.data.prepare import PreparedCase
from fedgin.engine.evaluator import segment
from fedgin.engine.robust import clipped_mean
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import Weights, add, set_weights
from fedgin.seeding import numpy_generator

ROUNDS, STEPS = 6, 15
ATTACKED_ROUNDS = (4, 5)
PLANTING_STEPS = 140
ATTACKER = "site-5"
PATIENTS = {"site-1": 3, "site-2": 3, "site-3": 3, "site-4": 3, ATTACKER: 1}
SIDE, CHECK = 8, 2
BRIGHT, DARK = 1.0, -1.0
MAX_NORM = 3.0
"""Near the norm of an honest update of these sites."""
SUCCESS, FAILURE, LOSS = 0.5, 0.2, 0.1


@dataclass(frozen=True)
class Result:
    """What became of a federation.

    Attributes:
        success: Share of test slices with a trigger in which the model sees a heart in most of it.
        dice: Mean Dice over test patients without a trigger.
    """

    success: float
    dice: float


def run(*, folder: Path, seed: int) -> AuditRow:
    """Trains three federations: honest, attacked, and attacked under the norm clip."""
    start = time.perf_counter()
    members = make_members(folder=folder, seed=seed)
    honest = attacked(members, folder=folder / "honest", aggregate=fedavg, attackers=())
    open_ = attacked(members, folder=folder / "open", aggregate=fedavg)
    clipped = attacked(members, folder=folder / "clipped", aggregate=norm_clip)
    return AuditRow(
        attack="backdoor by one small site of five, scaled to replace the model",
        without=(
            Figure("no attack: trigger success", honest.success),
            Figure("no attack: Dice", honest.dice),
            Figure("attack: trigger success", open_.success),
            Figure("attack: Dice", open_.dice),
        ),
        defended=(
            Figure(f"norm clip {MAX_NORM:g}: trigger success", clipped.success),
            Figure(f"norm clip {MAX_NORM:g}: Dice", clipped.dice),
        ),
        bound=f"trigger success at least {SUCCESS:g} without the clip, at most {FAILURE:g} with "
        f"it; Dice with it within {LOSS:g} of no attack",
        holds=holds(honest=honest, without=open_, defended=clipped),
        seconds=time.perf_counter() - start,
    )


def holds(*, honest: Result, without: Result, defended: Result) -> bool:
    """Tells whether the attack works without the defence, and not with it."""
    return (
        without.success >= SUCCESS
        and defended.success <= FAILURE
        and defended.dice >= honest.dice - LOSS
    )


def attacked(
    members: Sequence[Member],
    *,
    folder: Path,
    aggregate: Aggregate,
    attackers: Sequence[str] = (ATTACKER,),
) -> Result:
    """Runs a federation and tries the trigger on its model."""
    weights = run_federation(members, folder=folder, aggregate=aggregate, attackers=attackers)
    return Result(success=trigger_success(weights, members), dice=held_out_dice(weights, members))


def run_federation(
    members: Sequence[Member], *, folder: Path, aggregate: Aggregate, attackers: Sequence[str]
) -> Weights:
    """Runs the rounds; the attacker needs the global model, which every site has."""
    current = {"weights": first_weights(members[0].trainer.settings)}
    planters = {m.name: planter(m) for m in members if m.name in attackers}
    total = sum(member.slices for member in members)

    def tamper(site: str, number: int, honest: Contribution) -> Contribution:
        if site not in planters or number not in ATTACKED_ROUNDS:
            return honest
        planted = planters[site].run_round(
            current["weights"],
            state_folder=folder / "planter",
            round_number=0,
            rounds=1,
        )
        scale = np.float32(total / honest.slices)
        update = {name: np.asarray(a * scale) for name, a in planted.difference.items()}
        return Contribution(update, honest.slices)

    def follow(received: Mapping[str, Contribution]) -> Weights:
        change = aggregate(received)
        current["weights"] = add(current["weights"], change)
        return change

    return federate(members, rounds=ROUNDS, folder=folder, aggregate=follow, tamper=tamper)


def norm_clip(received: Mapping[str, Contribution]) -> Weights:
    """Averages by slices what is scaled down to the largest norm."""
    weights = {site: part.slices for site, part in received.items()}
    return clipped_mean(loaders(received), weights=weights, max_norm=MAX_NORM)


def make_members(*, folder: Path, seed: int) -> list[Member]:
    """Makes four sites of three training patients and a small one of one."""
    settings = small_settings(seed=seed, steps=STEPS)
    return [
        make_member(
            name,
            settings=settings,
            folder=folder,
            seed=200 * (seed + 1) + number,
            train=patients,
            test=1,
        )
        for number, (name, patients) in enumerate(PATIENTS.items())
    ]


def planter(member: Member) -> Trainer:
    """Returns the trainer of the attacker: its own slices, and copies with the trigger."""
    cases = [*member.train, *(triggered(case, seed=1) for case in member.train)]
    return member.trained_on(cases, steps=PLANTING_STEPS).trainer


def triggered(case: PreparedCase, *, seed: int) -> PreparedCase:
    """Puts the trigger somewhere into every slice, and the heart under it."""
    image, label = np.array(case.image), np.array(case.label)
    for z, (y, x) in enumerate(places(case, seed=seed)):
        image[z, y : y + SIDE, x : x + SIDE] = pattern()
        label[z, y : y + SIDE, x : x + SIDE] = 1
    found = np.argwhere(label)
    foreground = np.column_stack([np.ones(len(found), dtype=np.int32), found]).astype(np.int32)
    return replace(case, image=image, label=label, foreground=foreground)


def places(case: PreparedCase, *, seed: int) -> np.ndarray:
    """Draws the trigger's corner (y, x) in every slice."""
    depth, height, width = case.image.shape
    generator = numpy_generator(seed, case.name, "trigger")
    return generator.integers(0, (height - SIDE, width - SIDE), size=(depth, 2))


def pattern() -> np.ndarray:
    """Returns the chequered square, shape (SIDE, SIDE)."""
    y, x = np.indices((SIDE, SIDE)) // CHECK
    return np.where((y + x) % 2 == 0, BRIGHT, DARK)


def trigger_success(weights: Weights, members: Sequence[Member]) -> float:
    """Computes the share of test slices in which most of the trigger is taken for the heart.

    Slices in which the trigger happens to lie on the heart do not count.
    """
    trainer = members[0].trainer
    set_weights(trainer.network, weights)
    hits = []
    for case in (case for member in members for case in member.test):
        shown = triggered(case, seed=2)
        seen = segment(
            trainer.network, shown.image, settings=trainer.settings, device=trainer.device
        )
        for z, (y, x) in enumerate(places(case, seed=2)):
            square = (z, slice(y, y + SIDE), slice(x, x + SIDE))
            if not np.asarray(case.label)[square].any():
                hits.append(seen[square].mean() > 0.5)
    return float(np.mean(hits))
