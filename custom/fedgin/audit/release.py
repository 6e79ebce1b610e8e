"""What a site with the Gaussian privacy filter sends, for the audit's federations."""

from __future__ import annotations

from fedgin.audit.federation import Contribution, Tamper
from fedgin.privacy.accounting import noise_for_epsilon
from fedgin.privacy.clipping import clip_update
from fedgin.privacy.gaussian import add_noise
from fedgin.seeding import numpy_generator

DELTA = 1e-5


def clipped_release(*, max_norm: float) -> Tamper:
    """Clips every site's update and adds no noise: no privacy is proven for it."""

    def tamper(site: str, number: int, honest: Contribution) -> Contribution:
        clipped, _ = clip_update(honest.update, max_norm=max_norm)
        return Contribution(clipped, honest.slices)

    return tamper


def private_release(*, max_norm: float, noise_multiplier: float, seed: int) -> Tamper:
    """Clips every site's update and adds Gaussian noise.

    Args:
        max_norm: Largest norm of an update; its sensitivity is twice that.
        noise_multiplier: Standard deviation of the noise over the sensitivity.
        seed: Seed of the noise. A real site draws from a secret one; a figure must be repeatable.
    """
    clip = clipped_release(max_norm=max_norm)

    def tamper(site: str, number: int, honest: Contribution) -> Contribution:
        clipped = clip(site, number, honest)
        noisy = add_noise(
            clipped.update,
            standard_deviation=2 * max_norm * noise_multiplier,
            generator=numpy_generator(seed, site, number, "release noise"),
        )
        return Contribution(noisy, clipped.slices)

    return tamper


def multiplier_for(epsilon: float, *, releases: int) -> float:
    """Returns the noise multiplier for a number of releases at the audit's delta."""
    return noise_for_epsilon(epsilon=epsilon, releases=releases, delta=DELTA)
