"""A fingerprint at home: what would leave before anything is sent, and the plans of both."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fedgin.errors import DataError, FedginError, Problem
from fedgin.fingerprint.deviation import Deviation, deviations
from fedgin.fingerprint.memory_class import device_class
from fedgin.fingerprint.network_rules import StepMemory
from fedgin.fingerprint.plan import Plan
from fedgin.fingerprint.release import EXACT, Policy, policy_of, release
from fedgin.fingerprint.report import Fingerprint
from fedgin.fingerprint.settings import FingerprintSettings
from fedgin.fingerprint.site_facts import count_cases, find_cases
from fedgin.privacy.discrete_laplace import Draw
from fedgin.sites.lookup import Site
from fedgin.sites.named_problems import name_site
from fedgin.tasks import get_task


@dataclass(frozen=True)
class Rehearsal:
    """What sites' counts are and what would leave of them.

    Attributes:
        exact: The counts as they are.
        released: What would leave; another draw of the noise than a job's.
        exact_plan: The plan of the exact counts.
        released_plan: The plan of what would leave; None where nothing would.
    """

    exact: Fingerprint
    released: Fingerprint
    exact_plan: Plan
    released_plan: Plan | None

    def deviations(self) -> list[Deviation]:
        """Compares the plans."""
        return deviations(self.exact_plan, self.released_plan)


def rehearse(
    sites: Sequence[Site],
    settings: FingerprintSettings,
    *,
    smallest_count: int | None = None,
    epsilon: float | None = None,
    draw: Draw = secrets.randbelow,
) -> Rehearsal:
    """Counts sites whose data lie here, and makes both plans.

    Args:
        sites: Their files; the counts of several are added up, as a server does.
        settings: Task and dimensions.
        smallest_count: In place of the sites' own; 1 is no limit.
        epsilon: In place of the sites' own.
        draw: Source of the noise.

    Raises:
        FedginError: A site's file does not fit the task, or volumes break rules; the problems of
            all sites are listed together.
    """
    task = get_task(settings.task)
    exact, released = Fingerprint(settings), Fingerprint(settings)
    problems: list[Problem] = []
    for site in sites:
        try:
            facts = count_cases(find_cases(site, task))
            memory = device_class(site.config.device)
        except FedginError as error:
            problems += name_site(error.problems, site) if len(sites) > 1 else error.problems
            continue
        policy = _changed(policy_of(site.config), smallest_count, epsilon)
        declared = (site.config.modality,)
        for found, rule in ((exact, EXACT), (released, policy)):
            summary = release(
                facts, task=task, policy=rule, memory=memory, declared=declared, draw=draw
            )
            found.accept(site.name, summary)
    if problems:
        raise DataError(problems)
    step = StepMemory(task.name, dims=settings.spatial_dims)
    return Rehearsal(
        exact=exact,
        released=released,
        exact_plan=exact.plan(step=step),
        released_plan=released.plan(step=step) if released.counted else None,
    )


def _changed(policy: Policy, smallest_count: int | None, epsilon: float | None) -> Policy:
    if smallest_count is not None:
        policy = replace(policy, smallest_count=smallest_count)
    return policy if epsilon is None else replace(policy, epsilon=epsilon)
