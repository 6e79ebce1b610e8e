"""What privacy costs: Dice of a heart job without the filter, with the clip, at three epsilons.

Two sites, one of CT and one of MR, train as in jobs/fed_gin_heart (GIN, residual U-Net, FedAvg),
but with a smaller network, fewer patients and fewer steps. The noise covers a site's whole data and
is drawn by each site alone, so that the average of two hardly lessens it: a network learns next to
nothing at the epsilons that are called private. Those at which it learns promise little.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedgin.audit.federation import (
    Member,
    Tamper,
    fedavg,
    federate,
    first_weights,
    held_out_dice,
    make_member,
    small_settings,
)
from fedgin.audit.release import DELTA, clipped_release, multiplier_for, private_release
from fedgin.audit.row import AuditRow, Figure

ROUNDS, STEPS = 6, 30
MAX_NORM = 2.0
EPSILONS = (10.0, 1e4, 1e6)
SITES = {"site-1": ("CT", "arterial"), "site-2": ("MR", "bssfp")}
LEARNS, CLIP_COST = 0.5, 0.2


def run(*, folder: Path, seed: int) -> AuditRow:
    """Trains the job five times."""
    start = time.perf_counter()
    members = make_members(folder=folder, seed=seed)
    multipliers = {epsilon: multiplier_for(epsilon, releases=ROUNDS) for epsilon in EPSILONS}
    open_ = train(members, folder=folder / "open", tamper=None)
    clipped = train(members, folder=folder / "clip", tamper=clipped_release(max_norm=MAX_NORM))
    private = {
        epsilon: train(
            members,
            folder=folder / f"epsilon-{epsilon:g}",
            tamper=private_release(max_norm=MAX_NORM, noise_multiplier=multiplier, seed=seed),
        )
        for epsilon, multiplier in multipliers.items()
    }
    untrained = held_out_dice(first_weights(members[0].trainer.settings), members)
    noised = [
        Figure(f"epsilon {epsilon:g} (noise multiplier {multipliers[epsilon]:.3g}): Dice", dice)
        for epsilon, dice in private.items()
    ]
    return AuditRow(
        attack=f"utility: heart job, CT and MR site, {ROUNDS} rounds, delta {DELTA:g}",
        without=(Figure("no filter: Dice", open_), Figure("untrained: Dice", untrained)),
        defended=(Figure(f"clip {MAX_NORM:g} only: Dice", clipped), *noised),
        bound=f"Dice at least {LEARNS:g} without filter; the clip alone costs at most "
        f"{CLIP_COST:g}; Dice does not rise as epsilon falls (by more than 0.1), and at epsilon "
        f"{EPSILONS[0]:g} the noise is felt: at least 0.1 below the clip alone",
        holds=holds(without=open_, clipped=clipped, private=private),
        seconds=time.perf_counter() - start,
    )


def holds(*, without: float, clipped: float, private: Mapping[float, float]) -> bool:
    """Tells whether the job learns, and privacy costs what the noise must cost."""
    by_noise = [private[epsilon] for epsilon in sorted(private, reverse=True)]
    falls = all(b <= a + 0.1 for a, b in itertools.pairwise(by_noise))
    return (
        without >= LEARNS
        and clipped >= without - CLIP_COST
        and falls
        and by_noise[-1] <= clipped - 0.1
    )


def make_members(*, folder: Path, seed: int) -> list[Member]:
    """Makes a CT and an MR site."""
    settings = small_settings(
        seed=seed, steps=STEPS, augmentation="gin", gin={"probability": 0.5}, geometric=True
    )
    return [
        make_member(
            name,
            settings=settings,
            folder=folder,
            seed=400 * (seed + 1) + number,
            train=4,
            test=2,
            modality=modality,
            protocol=protocol,
        )
        for number, (name, (modality, protocol)) in enumerate(SITES.items())
    ]


def train(members: Sequence[Member], *, folder: Path, tamper: Tamper | None) -> float:
    """Trains the job and measures its last model on the test patients."""
    more = {} if tamper is None else {"tamper": tamper}
    weights = federate(members, rounds=ROUNDS, folder=folder, aggregate=fedavg, **more)
    return held_out_dice(weights, members)
