"""Noise on a site's counts, and what it costs.

The unit is a patient: two sets of training patients are neighbours when one has a patient more. Who
is trained on is taken as given; a random split may deal others out where it is drawn for one more.
A patient counts once (`counts.first_of_each_patient`), so adding one changes the number of cases by
1, each other quantity by 1 in one bin, and the intensity by `VOTES` counts in all. Each quantity
gets a share of epsilon and discrete Laplace noise of scale weight / (its share), on every bin, be
it empty or not. Bins of a quantity share its noise budget, since a patient's counts in them add up
to the weight; the quantities' epsilons add up to the whole (Dwork and Roth, "The algorithmic
foundations of differential privacy", 2014, theorem 3.16). Whatever is then done to the noisy counts
costs nothing.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from fedgin.fingerprint.bins import VOLUME, Bins
from fedgin.privacy.discrete_laplace import Draw, discrete_laplace

CASES = "cases"
GROUP_SHARES: Mapping[str, Fraction] = {
    CASES: Fraction(1, 10),
    "spacing": Fraction(2, 10),
    "size": Fraction(2, 10),
    "intensity": Fraction(4, 10),
    "volume": Fraction(1, 10),
}
"""Intensities have the most bins and steer by their tails."""
RESOLUTION = 10**6
STRAY = 0.01
"""Sums of noise alone that a quantity may show, on average: one far off moves the tails."""


def shares(quantities: Mapping[str, Bins]) -> dict[str, Fraction]:
    """Splits epsilon over the number of cases and the quantities; they add up to 1.

    Args:
        quantities: From `bins.bins_of`.
    """
    members: dict[str, list[str]] = {CASES: [CASES]}
    for name in quantities:
        group = "volume" if name.startswith(VOLUME) else name.partition("_")[0]
        members.setdefault(group, []).append(name)
    return {
        name: GROUP_SHARES[group] / len(names) for group, names in members.items() for name in names
    }


def scale_of(share: Fraction, *, epsilon: float, weight: int) -> Fraction:
    """Returns the noise's scale; epsilon is rounded down to millionths.

    Raises:
        ValueError: Epsilon is too small to be told from 0.
    """
    whole = math.floor(epsilon * RESOLUTION)
    if whole < 1:
        raise ValueError(f"epsilon must be at least {1 / RESOLUTION}; found {epsilon!r}")
    return weight / (share * Fraction(whole, RESOLUTION))


def noisy_count(count: int, *, scale: Fraction, draw: Draw = secrets.randbelow) -> int:
    """Adds noise to one number; below 0 becomes 0."""
    return max(0, count + discrete_laplace(scale, draw=draw))


def noisy_counts(
    counts: np.ndarray,
    *,
    bins: Bins,
    scale: Fraction,
    smallest: int,
    draw: Draw = secrets.randbelow,
) -> np.ndarray:
    """Adds noise to every bin, and drops what noise alone may well have made.

    `bins.coarse` neighbours are added up first, and what they got is spread over them evenly. A
    sum below scale x ln(number of sums / (2 `STRAY`)) is dropped: noise on an empty one reaches t
    with probability exp(-t / scale) / 2 or less, so that in all of them together no more than
    `STRAY` survive on average. So is what would leave a count below `smallest`.

    Args:
        counts: Shape (bins,), whole numbers.
        bins: The quantity's bins.
        scale: Scale of the noise.
        smallest: The site's limit.
        draw: Source of randomness; the operating system's outside of tests.
    """
    starts = range(0, counts.size, bins.coarse)
    stray = math.ceil(float(scale) * math.log(len(starts) / (2 * STRAY)))
    limit = max(smallest * bins.coarse, stray)
    result = np.zeros_like(counts)
    for start in starts:
        members = slice(start, min(start + bins.coarse, counts.size))
        noisy = noisy_count(int(counts[members].sum()), scale=scale, draw=draw)
        if noisy >= limit:
            result[members] = _spread(noisy, len(result[members]))
    return result


def _spread(number: int, parts: int) -> np.ndarray:
    return np.diff([number * part // parts for part in range(parts + 1)])
