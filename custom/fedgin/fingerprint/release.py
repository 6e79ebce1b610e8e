"""From a site's counted cases to what its policy lets leave."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from fedgin.fingerprint.bins import Bins, bins_of
from fedgin.fingerprint.case_facts import CaseFacts
from fedgin.fingerprint.counts import first_of_each_patient, grouped, total
from fedgin.fingerprint.document import MODALITIES, SENT, TOO_FEW, ModalityCounts, SiteSummary
from fedgin.fingerprint.noise import CASES, noisy_count, noisy_counts, scale_of, shares
from fedgin.privacy.discrete_laplace import Draw
from fedgin.sites.schema import SiteConfig
from fedgin.tasks import Task


@dataclass(frozen=True)
class Policy:
    """What a site lets its counts tell.

    Attributes:
        smallest_count: Patients that a count must stand on; 1 is no limit.
        epsilon: Privacy loss for one patient; None adds no noise.
    """

    smallest_count: int = 1
    epsilon: float | None = None


EXACT = Policy()
"""Counts as they are: for comparison at home, and for sites of phantoms."""


def policy_of(config: SiteConfig) -> Policy:
    """Reads the policy of a site's file."""
    return Policy(smallest_count=config.fingerprint_floor, epsilon=config.fingerprint.epsilon)


def release(
    facts: Sequence[CaseFacts],
    *,
    task: Task,
    policy: Policy,
    memory: str,
    declared: Sequence[str] = (),
    draw: Draw = secrets.randbelow,
) -> SiteSummary:
    """Makes a site's answer.

    Without noise every count stands on `smallest_count` patients (`counts.grouped`). With noise it
    is the noise that protects (`noise`): every patient counts once, by the first of his cases, and
    sums below `smallest_count`, or such as noise alone makes, are dropped. A modality with too few
    patients is left out, whole.

    Args:
        facts: The site's cases; there may be none.
        task: The task.
        policy: The site's policy.
        memory: Class of its device; see `memory_class`.
        declared: Modalities that the site's file names. With noise they are told from no case too,
            so that nobody sees whether there is a single one.
        draw: Source of the noise; the operating system's outside of tests.
    """
    modalities = {}
    if policy.epsilon is not None:
        facts = first_of_each_patient(facts)
    told = {*declared, *(case.modality for case in facts)}
    for modality in (known for known in MODALITIES if known in told):
        own = [case for case in facts if case.modality == modality]
        counts = _counts(own, bins_of(modality, task), policy, draw)
        if counts is not None:
            modalities[modality] = counts
    return SiteSummary(
        task=task.name,
        status=SENT if modalities else TOO_FEW,
        smallest_count=policy.smallest_count,
        epsilon=policy.epsilon,
        memory=memory,
        modalities=modalities,
    )


def _counts(
    facts: Sequence[CaseFacts], bins: dict[str, Bins], policy: Policy, draw: Draw
) -> ModalityCounts | None:
    if policy.epsilon is not None:
        return _noisy(facts, bins, policy, policy.epsilon, draw)
    if len({case.patient for case in facts}) < max(policy.smallest_count, 1):
        return None
    return ModalityCounts(
        cases=len(facts),
        histograms={
            name: tuple(grouped(facts, name, smallest=policy.smallest_count).tolist())
            for name in bins
        },
    )


def _noisy(
    facts: Sequence[CaseFacts], bins: dict[str, Bins], policy: Policy, epsilon: float, draw: Draw
) -> ModalityCounts | None:
    part = shares(bins)
    scale = scale_of(part[CASES], epsilon=epsilon, weight=1)
    cases = noisy_count(len(facts), scale=scale, draw=draw)
    if cases < max(policy.smallest_count, 1):
        return None
    histograms = {}
    for name, each in bins.items():
        counts = noisy_counts(
            total(facts, name, bins=each.number),
            bins=each,
            scale=scale_of(part[name], epsilon=epsilon, weight=each.weight),
            smallest=policy.smallest_count,
            draw=draw,
        )
        histograms[name] = tuple(counts.tolist())
    return ModalityCounts(cases=cases, histograms=histograms)
