"""Update inversion: what a curious server sees of a slice, under each filter.

See `fedgin.audit.gradient_inversion` for the attack. It is run with and without a penalty on total
variation, and of both results the one counts that is nearer to the truth, though no attacker could
tell. A blind guess, the mean of other patients' slices at the same place, shows what an attacker
knows without any update. The values are medians over patients.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fedgin.audit.federation import make_member, small_settings
from fedgin.audit.gradient_inversion import gradient_function, invert, smooth_network, update_of
from fedgin.audit.release import DELTA, multiplier_for
from fedgin.audit.row import AuditRow, Figure
from fedgin.audit.similarity import psnr, ssim
from fedgin.data.prepare import PreparedCase
from fedgin.privacy.clipping import clip_update
from fedgin.privacy.gaussian import add_noise
from fedgin.seeding import numpy_generator

SLICES, SIZE = 5, 16
EVALUATIONS = 400
VARIATIONS = (0.0, 1e-2)
MAX_NORM = 0.3
"""Below the norm of every gradient here, so that the clip acts."""
EPSILONS = (10.0, 1e3, 1e5)
RANGE = 2.0
SEEN, MARGIN = 0.75, 0.05

Update = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Likeness:
    """How near reconstructions come to the truth: medians over slices.

    Attributes:
        ssim: Structural similarity.
        psnr: Peak signal-to-noise ratio in dB.
    """

    ssim: float
    psnr: float


def run(*, folder: Path, seed: int) -> AuditRow:
    """Inverts updates of one step without filter, with the clip, and with noise."""
    start = time.perf_counter()
    images, labels = make_slices(folder=folder, seed=seed)
    found = {
        name: attack(images, labels, seed=seed, noise_multiplier=noise, max_norm=max_norm)
        for name, max_norm, noise in _filters()
    }
    guess = blind_guess(images)
    first = f"epsilon {EPSILONS[0]:g}"
    return AuditRow(
        attack=f"update inversion, one step on one {SIZE} x {SIZE} slice, delta {DELTA:g}: medians "
        f"of {SLICES}",
        without=(*_figures("no filter", found["no filter"]), *_figures("blind guess", guess)),
        defended=tuple(
            figure
            for name, result in found.items()
            if name != "no filter"
            for figure in _figures(name, result)
        ),
        bound=f"SSIM at least {SEEN:g} without filter; at {first} at most that of the blind guess "
        f"(or {MARGIN:g} more)",
        holds=holds(without=found["no filter"], defended=found[first], guess=guess),
        seconds=time.perf_counter() - start,
    )


def holds(*, without: Likeness, defended: Likeness, guess: Likeness) -> bool:
    """Tells whether the slice is seen without the defence, and only guessed with it."""
    return without.ssim >= SEEN and defended.ssim <= guess.ssim + MARGIN


def _filters() -> list[tuple[str, float | None, float | None]]:
    noises = [(f"epsilon {e:g}", MAX_NORM, multiplier_for(e, releases=1)) for e in EPSILONS]
    return [("no filter", None, None), ("clip only", MAX_NORM, None), *noises]


def attack(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int,
    max_norm: float | None,
    noise_multiplier: float | None,
) -> Likeness:
    """Computes the slices' updates, filters them and inverts what is left.

    Args:
        images: Shape (N, size, size), in [-1, 1].
        labels: The same shape, 0 or 1.
        seed: Seed of network, noise and first guess.
        max_norm: The clip; None is no filter.
        noise_multiplier: The noise after it; None is no noise.
    """
    gradients = gradient_function(smooth_network(seed=seed))
    known = torch.from_numpy(labels[:, None].astype(np.float64))
    true = gradients(torch.from_numpy(images[:, None].astype(np.float64)), known)
    sent: list[Update] = []
    for number in range(len(images)):
        update: Update = update_of(true, number)
        if max_norm is not None:
            update, _ = clip_update(update, max_norm=max_norm)
            if noise_multiplier is not None:
                update = add_noise(
                    update,
                    standard_deviation=2 * max_norm * noise_multiplier,
                    generator=numpy_generator(seed, number, "inversion noise"),
                )
        sent.append(update)
    tries = [
        invert(
            sent,
            known,
            gradients=gradients,
            size=images.shape[-1],
            variation=variation,
            evaluations=EVALUATIONS,
            seed=seed,
        )
        for variation in VARIATIONS
    ]
    return likeness(tries, images)


def likeness(tries: Sequence[np.ndarray], images: np.ndarray) -> Likeness:
    """Measures the best try of each slice, and takes the median over slices."""
    # SSIM compares means, so that intensities must count from the darkest: with both signs an
    # image and its negative would be alike.
    return Likeness(
        ssim=_median_of_best(
            [
                [ssim(found + 1, image + 1, data_range=RANGE) for found in of_slice]
                for of_slice, image in _by_slice(tries, images)
            ]
        ),
        psnr=_median_of_best(
            [
                [psnr(found, image, data_range=RANGE) for found in of_slice]
                for of_slice, image in _by_slice(tries, images)
            ]
        ),
    )


def blind_guess(images: np.ndarray) -> Likeness:
    """Measures the mean of all other slices as a guess of each."""
    others = (images.sum(axis=0) - images) / (len(images) - 1)
    return likeness([others], images)


def make_slices(*, folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a window around each phantom patient's heart, where it is largest.

    Returns:
        Images in [-1, 1] and labels, both of shape (SLICES, SIZE, SIZE).
    """
    member = make_member(
        "site-1",
        settings=small_settings(seed=seed, steps=1),
        folder=folder,
        seed=500 * (seed + 1),
        train=SLICES,
        test=0,
    )
    cut = [heart_window(case) for case in member.train]
    return np.stack([image for image, _ in cut]), np.stack([label for _, label in cut])


def heart_window(case: PreparedCase) -> tuple[np.ndarray, np.ndarray]:
    """Cuts SIZE x SIZE pixels around the heart out of the slice with most of it."""
    label = np.asarray(case.label)
    z = int(label.sum(axis=(1, 2)).argmax())
    centre = np.argwhere(label[z]).mean(axis=0).round().astype(int)
    y, x = np.clip(centre - SIZE // 2, 0, np.array(label.shape[1:]) - SIZE)
    image, mask = (
        np.asarray(volume[z, y : y + SIZE, x : x + SIZE]) for volume in (case.image, label)
    )
    return image.astype(np.float64), mask


def _by_slice(
    tries: Sequence[np.ndarray], images: np.ndarray
) -> list[tuple[list[np.ndarray], np.ndarray]]:
    return [([one[n] for one in tries], image) for n, image in enumerate(images)]


def _median_of_best(values: Sequence[Sequence[float]]) -> float:
    return float(np.median([max(of_slice) for of_slice in values]))


def _figures(name: str, result: Likeness) -> tuple[Figure, ...]:
    return (
        Figure(f"{name}: SSIM", result.ssim),
        Figure(f"{name}: PSNR", result.psnr, unit="dB"),
    )
