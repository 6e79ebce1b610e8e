"""Epsilon of private training, against the published formula and two other accountants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from fedgin.privacy.sgd_accounting import SgdSteps, sgd_epsilon

DELTA = 1e-5
CASES = [(1.0, 0.01, 1000), (1.0, 0.25, 60), (2.0, 0.5, 100), (0.7, 0.1, 20), (4.0, 1.0, 300)]


def formula(noise: float, rate: float, steps: int) -> float:
    """Mironov et al. 2019, section 3.3, for whole orders; Canonne et al. 2020, proposition 12."""
    best = math.inf
    for order in range(2, 257):
        k = np.arange(order + 1)
        with np.errstate(divide="ignore"):
            log_terms = (
                special.gammaln(order + 1)
                - special.gammaln(k + 1)
                - special.gammaln(order - k + 1)
                + special.xlog1py(order - k, -rate)
                + k * math.log(rate)
                + (k * k - k) / (2 * noise**2)
            )
        divergence = steps * special.logsumexp(log_terms) / (order - 1)
        best = min(
            best,
            divergence + math.log1p(-1 / order) - math.log(DELTA * order) / (order - 1),
        )
    return best


def exact_delta(epsilon: float, noise: float) -> float:
    """Delta of one Gaussian step without sampling; Balle and Wang, ICML 2018, theorem 8."""
    return float(
        stats.norm.cdf(0.5 / noise - epsilon * noise)
        - math.exp(epsilon) * stats.norm.cdf(-0.5 / noise - epsilon * noise)
    )


@pytest.mark.parametrize(("noise", "rate", "steps"), CASES)
def test_epsilon_is_that_of_the_formula(noise: float, rate: float, steps: int) -> None:
    epsilon = sgd_epsilon([SgdSteps(noise, rate, steps)], delta=DELTA)
    assert epsilon == pytest.approx(formula(noise, rate, steps), rel=1e-3)


@pytest.mark.parametrize(("noise", "rate", "steps"), CASES)
def test_epsilon_is_above_the_numerical_one_and_not_far(
    noise: float, rate: float, steps: int
) -> None:
    dp = pytest.importorskip("dp_accounting")
    from dp_accounting.pld import PLDAccountant

    numerical = PLDAccountant(value_discretization_interval=1e-3)
    event = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(noise))
    numerical.compose(event, steps)
    tight = numerical.get_epsilon(DELTA)
    epsilon = sgd_epsilon([SgdSteps(noise, rate, steps)], delta=DELTA)
    assert 0.99 * tight < epsilon < 1.35 * tight + 0.3


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_one_step_without_sampling_is_above_the_exact_epsilon(noise: float) -> None:
    exact = optimize.brentq(lambda e: exact_delta(e, noise) - DELTA, 0.0, 50.0)
    epsilon = sgd_epsilon([SgdSteps(noise, 1.0, 1)], delta=DELTA)
    assert exact < epsilon < 1.3 * exact


@pytest.mark.parametrize(("noise", "rate"), [(1.0, 0.2), (2.0, 0.7)])
def test_one_sampled_step_keeps_delta_in_both_directions(noise: float, rate: float) -> None:
    """Integrates the hockey-stick divergence of the two densities: with and without the unit."""
    epsilon = sgd_epsilon([SgdSteps(noise, rate, 1)], delta=DELTA)

    def without(x: float) -> float:
        return float(stats.norm.pdf(x, scale=noise))

    def with_unit(x: float) -> float:
        return (1 - rate) * without(x) + rate * float(stats.norm.pdf(x, loc=1, scale=noise))

    for first, second in ((with_unit, without), (without, with_unit)):
        delta, _ = integrate.quad(
            lambda x, p=first, q=second: max(p(x) - math.exp(epsilon) * q(x), 0.0),
            -15 * noise,
            15 * noise + 1,
            limit=400,
        )
        assert delta <= DELTA * (1 + 1e-6)


def test_steps_of_two_kinds_add_up_to_less_than_their_epsilons_and_more_than_each() -> None:
    one, other = SgdSteps(1.0, 0.1, 50), SgdSteps(2.0, 0.3, 80)
    both = sgd_epsilon([one, other], delta=DELTA)
    single = [sgd_epsilon([steps], delta=DELTA) for steps in (one, other)]
    assert max(single) < both < sum(single)
    assert sgd_epsilon([one, one], delta=DELTA) == pytest.approx(
        sgd_epsilon([SgdSteps(1.0, 0.1, 100)], delta=DELTA)
    )


def test_no_step_costs_nothing_and_hardly_any_noise_is_no_protection() -> None:
    assert sgd_epsilon([], delta=DELTA) == 0
    assert sgd_epsilon([SgdSteps(1.0, 0.1, 0)], delta=DELTA) == 0
    assert sgd_epsilon([SgdSteps(1e-6, 0.5, 10)], delta=DELTA) == math.inf
