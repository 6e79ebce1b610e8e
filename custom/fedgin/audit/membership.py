"""Membership inference: was this patient in the training data? A low loss says yes.

A model is trained on purpose too long on few patients, and the attacker compares its loss on them
with its loss on patients it never saw (Yeom et al., "Privacy Risk in Machine Learning", CSF 2018).
Some patients are easy for every model. So the roles are exchanged: a second model is trained on the
patients that the first one never saw, and the mean of both AUCs is that of a guess, 0.5, for any
model that knows nothing of its patients.

With the defence the site's update is clipped and noised in every round, in the same training.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fedgin.audit.auc import auc, mean_auc_interval
from fedgin.audit.federation import (
    Member,
    Tamper,
    fedavg,
    federate,
    held_out_dice,
    make_member,
    small_settings,
)
from fedgin.audit.release import multiplier_for, private_release
from fedgin.audit.row import AuditRow, Figure
from fedgin.data.prepare import PreparedCase
from fedgin.data.sampling import PatchSampler
from fedgin.engine.weights import Weights, set_weights
from fedgin.losses import build_loss
from fedgin.seeding import numpy_generator

PATIENTS = 8
ROUNDS, STEPS = 4, 90
MAX_NORM = 4.0
EPSILONS = (10.0, 1e5)
PATCHES = 48
LEAK, GUESS = 0.7, 0.65


@dataclass(frozen=True)
class Attack:
    """The attack's outcome on two models with exchanged roles.

    Attributes:
        auc: Mean of both AUCs.
        interval: Its 95 % bootstrap interval.
        dice: Mean Dice of both on the patients that they never saw.
    """

    auc: float
    interval: tuple[float, float]
    dice: float


def run(*, folder: Path, seed: int) -> AuditRow:
    """Attacks models trained without and with the privacy filter."""
    start = time.perf_counter()
    members = make_members(folder=folder, seed=seed)
    open_ = attack(members, folder=folder / "open", seed=seed, tamper=None)
    private = {}
    for epsilon in EPSILONS:
        tamper = private_release(
            max_norm=MAX_NORM, noise_multiplier=multiplier_for(epsilon, releases=ROUNDS), seed=seed
        )
        where = folder / f"epsilon-{epsilon:g}"
        private[epsilon] = attack(members, folder=where, seed=seed, tamper=tamper)
    defended = [
        figure
        for epsilon, result in private.items()
        for figure in _figures(f"epsilon {epsilon:g}", result)
    ]
    return AuditRow(
        attack=f"membership inference by loss, {2 * PATIENTS} patients, roles exchanged",
        without=_figures("no filter", open_),
        defended=tuple(defended),
        bound=f"AUC at least {LEAK:g} and its interval above 0.5 without the filter; at most "
        f"{GUESS:g} at epsilon {EPSILONS[0]:g}, and 0.5 within its interval",
        holds=holds(without=open_, defended=private[EPSILONS[0]]),
        seconds=time.perf_counter() - start,
    )


def holds(*, without: Attack, defended: Attack) -> bool:
    """Tells whether the attack works without the defence, and is a guess with it."""
    works = without.auc >= LEAK and without.interval[0] > 0.5
    low, high = defended.interval
    return works and defended.auc <= GUESS and low <= 0.5 <= high


def make_members(*, folder: Path, seed: int) -> tuple[Member, Member]:
    """Makes one site's patients and halves them: each half trains one model and tests the other."""
    settings = small_settings(seed=seed, steps=STEPS)
    whole = make_member(
        "site-1",
        settings=settings,
        folder=folder,
        seed=300 * (seed + 1),
        train=2 * PATIENTS,
        test=0,
    )
    halves = whole.train[:PATIENTS], whole.train[PATIENTS:]
    return (
        Member("site-1", halves[0], halves[1], whole.trained_on(halves[0]).trainer),
        Member("site-1", halves[1], halves[0], whole.trained_on(halves[1]).trainer),
    )


def attack(members: Sequence[Member], *, folder: Path, seed: int, tamper: Tamper | None) -> Attack:
    """Trains a model on each half and attacks it."""
    scores, dice = [], []
    for number, member in enumerate(members):
        more = {} if tamper is None else {"tamper": tamper}
        weights = federate(
            [member], rounds=ROUNDS, folder=folder / str(number), aggregate=fedavg, **more
        )
        scores.append(
            tuple(
                -np.array([loss_of(member, weights, case) for case in cases])
                for cases in (member.train, member.test)
            )
        )
        dice.append(held_out_dice(weights, [member]))
    pairs = [(inside, outside) for inside, outside in scores]
    return Attack(
        auc=float(np.mean([auc(inside, outside) for inside, outside in pairs])),
        interval=mean_auc_interval(pairs, seed=seed),
        dice=float(np.mean(dice)),
    )


@torch.inference_mode()
def loss_of(member: Member, weights: Weights, case: PreparedCase) -> float:
    """Measures a model's loss on a patient: the training loss on patches drawn for the purpose."""
    trainer = member.trainer
    set_weights(trainer.network, weights)
    sampler = PatchSampler(
        [case], patch_size=trainer.settings.geometry.patch_size, foreground_fraction=0.5
    )
    places = sampler.draw(PATCHES, generator=numpy_generator(case.name, "membership"))
    images, labels = sampler.cut(places)
    trainer.network.eval()
    return float(build_loss()(trainer.network(images), labels))


def _figures(name: str, result: Attack) -> tuple[Figure, ...]:
    return (
        Figure(f"{name}: AUC", result.auc, interval=result.interval),
        Figure(f"{name}: Dice", result.dice),
    )
