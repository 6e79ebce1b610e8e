"""The privacy loss of releases with Gaussian noise.

One release adds N(0, sd^2) noise to a vector whose L2 distance between any two data sets is at most
the sensitivity; its noise multiplier is z = sd / sensitivity, and it is 1/z-Gaussian differentially
private. A sequence of such releases, each of which may depend on those before, is exactly as
private as one with multiplier (sum_i z_i^-2)^-1/2 (Dong, Roth and Su, "Gaussian Differential
Privacy", JRSS B 2022, corollary 3.3). The epsilon of that one is exact by Balle and Wang,
"Improving the Gaussian mechanism for differential privacy", ICML 2018, theorem 8; dp-accounting
computes it.

The sensitivity of an update that is clipped to max_norm is 2 max_norm: data sets are adjacent when
they are any two that the site could hold. So the bound covers all of a site's data, and each
patient in it, against everybody who sees the released updates, the server included. There is no
amplification by sampling: every site joins every round.
"""

from __future__ import annotations

import math
from importlib import import_module
from types import ModuleType

import numpy as np

from fedgin.errors import ConfigError, Problem


def loss_of_release(noise_multiplier: float) -> float:
    """Returns z^-2, the term that one release adds to a sequence's privacy loss.

    Args:
        noise_multiplier: z, above 0.

    Raises:
        ValueError: It is not above 0 and finite.
    """
    if not (noise_multiplier > 0 and math.isfinite(noise_multiplier)):
        raise ValueError(f"noise_multiplier must be above 0 and finite; found {noise_multiplier!r}")
    return noise_multiplier**-2


def epsilon_of_loss(loss: float, *, delta: float) -> float:
    """Returns the epsilon of a sequence of Gaussian releases.

    Args:
        loss: Sum of `loss_of_release` over the releases, 0 or more.
        delta: In (0, 1).

    Raises:
        ConfigError: dp-accounting is not installed.
        ValueError: An argument is out of range.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta must be in (0, 1); found {delta!r}")
    if not (loss >= 0 and math.isfinite(loss)):
        raise ValueError(f"loss must be 0 or more and finite; found {loss!r}")
    if loss == 0:
        return 0.0
    library = _dp_accounting()
    with np.errstate(divide="ignore"):  # log(0), where a probability is below the smallest number
        return float(library.get_epsilon_gaussian(loss**-0.5, delta))


def gaussian_epsilon(*, noise_multiplier: float, releases: int, delta: float) -> float:
    """Returns the epsilon of a number of releases with the same noise.

    Args:
        noise_multiplier: Standard deviation of the noise over the sensitivity, above 0.
        releases: Number of releases, 0 or more.
        delta: In (0, 1).

    Raises:
        ConfigError: dp-accounting is not installed.
        ValueError: An argument is out of range.
    """
    if releases < 0:
        raise ValueError(f"releases must be 0 or more; found {releases!r}")
    return epsilon_of_loss(releases * loss_of_release(noise_multiplier), delta=delta)


def noise_for_epsilon(*, epsilon: float, releases: int, delta: float) -> float:
    """Returns the least noise multiplier with which a number of releases stays within an epsilon.

    Args:
        epsilon: The bound, above 0.
        releases: Number of releases, 1 or more.
        delta: In (0, 1).

    Raises:
        ConfigError: dp-accounting is not installed.
        ValueError: An argument is out of range.
    """
    if not (epsilon > 0 and math.isfinite(epsilon)) or releases < 1 or not 0 < delta < 1:
        raise ValueError(
            f"epsilon above 0, releases from 1 and delta in (0, 1) are needed; found {epsilon!r}, "
            f"{releases!r}, {delta!r}"
        )
    one = float(_dp_accounting().get_sigma_gaussian(epsilon, delta))
    return one * math.sqrt(releases)


def _dp_accounting() -> ModuleType:
    try:
        return import_module("dp_accounting")
    except ImportError:
        raise ConfigError(
            Problem(
                "privacy accounting",
                "the package dp-accounting must be installed",
                "it is not",
                "pip install dp-accounting",
            )
        ) from None
