"""Noise on counts: its shares, its accounting, its distribution, and what is dropped."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from made_cases import ABDOMEN, MEMORY, made_case, made_cases

from fedgin.fingerprint.bins import CT_INTENSITY, SPACING, VOTES, bins_of
from fedgin.fingerprint.case_facts import CaseFacts
from fedgin.fingerprint.noise import CASES, noisy_counts, scale_of, shares
from fedgin.fingerprint.release import EXACT, Policy, release


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_shares_add_up_to_the_whole_and_cover_everything(modality: str) -> None:
    bins = bins_of(modality, ABDOMEN)
    part = shares(bins)
    assert set(part) == {CASES, *bins}
    assert sum(part.values()) == 1
    assert min(part.values()) > 0


def test_one_patient_more_changes_each_quantity_by_its_weight_at_most() -> None:
    for seed in range(12):
        for modality in ("CT", "MR"):
            case = made_case(seed, modality=modality)
            for name, bins in bins_of(modality, ABDOMEN).items():
                assert case.counts[name].min() >= 0
                assert case.counts[name].sum() <= bins.weight
                assert bins.weight == (VOTES if name == "intensity" else 1)


def test_the_whole_costs_epsilon_by_an_independent_account() -> None:
    """dp-accounting composes the same discrete Laplace mechanisms to the same epsilon."""
    epsilon, total = 1.4, None
    bins = bins_of("CT", ABDOMEN)
    for name, part in shares(bins).items():
        weight = 1 if name == CASES else bins[name].weight
        scale = scale_of(part, epsilon=epsilon, weight=weight)
        one = pld.from_discrete_laplace_mechanism(
            parameter=float(weight / scale), sensitivity=1, value_discretization_interval=1e-3
        )
        total = one if total is None else total.compose(one)
    assert total is not None
    found = total.get_epsilon_for_delta(0.0)
    # It rounds each loss up to its grid.
    assert epsilon - 1e-9 <= found <= epsilon + 1e-3 * (len(bins) + 2)


def test_the_noise_on_a_bin_has_the_scale_that_it_should() -> None:
    counts = np.zeros(SPACING.number, np.int64)
    counts[40] = 10_000
    scale = Fraction(20)
    draw = random.Random(1).randrange
    found = [
        int(noisy_counts(counts, bins=SPACING, scale=scale, smallest=1, draw=draw)[40]) - 10_000
        for _ in range(60)
    ]
    # Mean size of the noise is 2 a / (1 - a^2), a = exp(-1 / scale).
    a = math.exp(-1 / 20)
    assert np.mean(np.abs(found)) == pytest.approx(2 * a / (1 - a * a), rel=0.35)
    assert min(found) < 0 < max(found)


def test_of_empty_bins_next_to_none_survives() -> None:
    counts = np.zeros(CT_INTENSITY.number, np.int64)
    draw = random.Random(2).randrange
    survived = sum(
        np.count_nonzero(
            noisy_counts(counts, bins=CT_INTENSITY, scale=Fraction(5000), smallest=5, draw=draw)
        )
        // CT_INTENSITY.coarse
        for _ in range(20)
    )
    assert survived <= 2  # a fifth of one is expected in the twenty


def test_no_count_below_the_limit_leaves_with_noise_either() -> None:
    facts = made_cases(40)
    policy = Policy(smallest_count=5, epsilon=20.0)
    sent = release(
        facts, task=ABDOMEN, policy=policy, memory=MEMORY, draw=random.Random(3).randrange
    )
    told = [n for h in sent.modalities["CT"].histograms.values() for n in h if n]
    assert told
    assert min(told) >= 5


def test_with_noise_a_patient_counts_once_however_many_his_cases() -> None:
    """With noise of next to no size, the sums are those of the first cases."""
    facts = [made_case(number, patient=f"p{number % 6}") for number in range(30)]
    policy = Policy(smallest_count=1, epsilon=1000.0)
    sent = release(
        facts, task=ABDOMEN, policy=policy, memory=MEMORY, draw=random.Random(4).randrange
    )
    assert sent.modalities["CT"].cases == 6
    exact = release(facts[:6], task=ABDOMEN, policy=Policy(), memory=MEMORY)
    assert (
        sent.modalities["CT"].histograms["spacing_z"]
        == exact.modalities["CT"].histograms["spacing_z"]
    )


def test_no_case_is_told_like_one_so_that_nobody_sees_whether_there_is_one() -> None:
    """What can come of one patient must come of none, too."""
    policy = Policy(smallest_count=1, epsilon=2.0)

    def statuses(facts: list[CaseFacts]) -> set[str]:
        draw = random.Random(5).randrange
        return {
            release(
                facts, task=ABDOMEN, policy=policy, memory=MEMORY, declared=("CT",), draw=draw
            ).status
            for _ in range(12)
        }

    assert statuses([]) == statuses(made_cases(1)) == {"sent", "too few"}
    # Exact counts have nothing to hide: no case, nothing sent.
    exact = release([], task=ABDOMEN, policy=EXACT, memory=MEMORY, declared=("CT",))
    assert exact.status == "too few"


def test_epsilon_is_never_rounded_up() -> None:
    assert scale_of(Fraction(1), epsilon=0.1, weight=1) >= Fraction(10)
    with pytest.raises(ValueError, match="at least"):
        scale_of(Fraction(1), epsilon=1e-9, weight=1)
