"""A site's answer to a request for its fingerprint, as its own file says."""

from __future__ import annotations

from collections.abc import Callable

from fedgin.fingerprint.document import SiteSummary
from fedgin.fingerprint.memory_class import device_class
from fedgin.fingerprint.release import policy_of, release
from fedgin.fingerprint.site_facts import count_cases, find_cases
from fedgin.fingerprint.store import answer_store
from fedgin.sites.lookup import Site
from fedgin.tasks import Task


def answer_of(
    site: Site, task: Task, *, should_stop: Callable[[], bool] = lambda: False
) -> SiteSummary:
    """Counts a site's training cases and makes what may leave.

    A noisy answer is kept, and given again for the same data; see `store`.

    Raises:
        FedginError: The site's file does not fit the task, or volumes break rules.
        BudgetSpentError: The site's epsilon for all fingerprints is spent.
        OSError: A noisy answer cannot be kept.
    """
    counted = find_cases(site, task)
    policy = policy_of(site.config)

    def make() -> SiteSummary:
        facts = count_cases(counted, should_stop=should_stop)
        memory = device_class(site.config.device)
        declared = (site.config.modality,)
        return release(facts, task=task, policy=policy, memory=memory, declared=declared)

    if policy.epsilon is None:
        return make()
    limit = site.config.fingerprint.epsilon_all_runs
    key = counted.content_key()
    return answer_store(site).answer(key, policy=policy, limit=limit, make=make)
