"""Epsilon against truths that dp-accounting has no part in."""

from __future__ import annotations

import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest

from fedgin.privacy.accounting import epsilon_of_loss, gaussian_epsilon, noise_for_epsilon

CASES = [(1.0, 1, 1e-5), (5.0, 10, 1e-5), (0.8, 3, 1e-6), (20.0, 100, 1e-5), (2.0, 50, 1e-8)]


def delta_of(epsilon: float, *, mu: float) -> mpmath.mpf:
    """Balle and Wang 2018, theorem 8, with 50 digits: delta of a mu-Gaussian mechanism."""
    with mpmath.workdps(50):
        m, e = mpmath.mpf(mu), mpmath.mpf(epsilon)
        return mpmath.ncdf(m / 2 - e / m) - mpmath.exp(e) * mpmath.ncdf(-m / 2 - e / m)


def renyi_bound(*, noise_multiplier: float, releases: int, delta: float) -> float:
    """Mironov 2017, proposition 3: Renyi loss k a / 2 z^2 at order a, converted and minimised."""
    rho = releases / (2 * noise_multiplier**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


@pytest.mark.parametrize(("noise_multiplier", "releases", "delta"), CASES)
def test_epsilon_is_the_analytic_one_of_all_releases_together(
    noise_multiplier: float, releases: int, delta: float
) -> None:
    epsilon = gaussian_epsilon(noise_multiplier=noise_multiplier, releases=releases, delta=delta)
    mu = math.sqrt(releases) / noise_multiplier
    assert float(delta_of(epsilon, mu=mu)) == pytest.approx(delta, rel=1e-6)


@pytest.mark.parametrize(("noise_multiplier", "releases", "delta"), CASES)
def test_epsilon_is_below_the_renyi_bound_and_not_by_much(
    noise_multiplier: float, releases: int, delta: float
) -> None:
    case = {"noise_multiplier": noise_multiplier, "releases": releases, "delta": delta}
    assert 0.7 * renyi_bound(**case) < gaussian_epsilon(**case) < renyi_bound(**case)


def test_a_tight_attack_does_not_beat_the_bound_and_half_of_it_would_be_wrong() -> None:
    """The best test between two updates at the sensitivity, by simulation of ten rounds."""
    multiplier, rounds, delta = 4.0, 10, 0.05
    epsilon = gaussian_epsilon(noise_multiplier=multiplier, releases=rounds, delta=delta)
    generator = np.random.default_rng(0)
    seen = generator.normal(size=(400_000, rounds)).sum(axis=1) * multiplier
    mu = math.sqrt(rounds) / multiplier

    def excess(claimed: float) -> float:
        """P(A | data) - e^claimed P(A | other data), A where the likelihood ratio is e^claimed."""
        threshold = (claimed / mu + mu / 2) * multiplier * math.sqrt(rounds)
        hits, others = (seen + rounds > threshold).mean(), (seen > threshold).mean()
        return float(hits - math.exp(claimed) * others)

    assert excess(epsilon) == pytest.approx(delta, abs=0.01)
    assert excess(epsilon / 2) > 2 * delta


def test_releases_with_different_noise_add_up() -> None:
    mixed = epsilon_of_loss(3 * 2.0**-2 + 5 * 4.0**-2, delta=1e-5)
    mu = math.sqrt(3 / 4 + 5 / 16)
    assert float(delta_of(mixed, mu=mu)) == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.5, 3.0, 8.0])
def test_the_noise_for_an_epsilon_spends_it_whole(epsilon: float) -> None:
    multiplier = noise_for_epsilon(epsilon=epsilon, releases=25, delta=1e-5)
    spent = gaussian_epsilon(noise_multiplier=multiplier, releases=25, delta=1e-5)
    assert spent == pytest.approx(epsilon, rel=1e-6)


def test_nothing_released_costs_nothing() -> None:
    assert gaussian_epsilon(noise_multiplier=1.0, releases=0, delta=1e-5) == 0.0


@pytest.mark.parametrize(
    "wrong", [{"noise_multiplier": 0.0}, {"releases": -1}, {"delta": 0.0}, {"delta": 1.0}]
)
def test_numbers_out_of_range_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        gaussian_epsilon(**{"noise_multiplier": 1.0, "releases": 1, "delta": 1e-5, **wrong})  # type: ignore[arg-type]


def test_where_dp_accounting_is_missing_the_error_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['dp_accounting'] = None\n"
        "from fedgin.privacy.accounting import gaussian_epsilon\n"
        "gaussian_epsilon(noise_multiplier=1.0, releases=1, delta=1e-5)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install dp-accounting" in result.stderr
