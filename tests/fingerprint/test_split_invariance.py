"""Without noise and limits the same cases make the same plan, however they lie at sites."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_cases import ABDOMEN, MEMORY, made_cases

from fedgin.fingerprint.case_facts import CaseFacts
from fedgin.fingerprint.document import ModalityCounts, merge, read_summary
from fedgin.fingerprint.network_rules import StepMemory
from fedgin.fingerprint.plan import Plan
from fedgin.fingerprint.plan_rules import derive_plan
from fedgin.fingerprint.release import EXACT, Policy, release

CASES = 24


@pytest.fixture(scope="module")
def cases() -> list[CaseFacts]:
    return [*made_cases(CASES // 2), *made_cases(CASES // 2, modality="MR", first=100)]


def outcome(
    sites: list[list[CaseFacts]], step: StepMemory, dims: int
) -> tuple[dict[str, ModalityCounts], Plan]:
    """What a server makes of the sites' messages."""
    sent = [
        read_summary(release(own, task=ABDOMEN, policy=EXACT, memory=MEMORY).message())
        for own in sites
    ]
    merged = merge(sent)
    memory = [summary.memory for summary in sent]
    return merged, derive_plan(merged, task=ABDOMEN, dims=dims, memory=memory, step=step)


@given(
    owners=st.lists(st.integers(0, 6), min_size=CASES, max_size=CASES),
    order=st.permutations(range(CASES)),
    dims=st.sampled_from([2, 3]),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_split_of_the_same_cases_gives_the_same_sums_and_the_same_plan(
    cases: list[CaseFacts],
    step: StepMemory,
    step_3d: StepMemory,
    owners: list[int],
    order: list[int],
    dims: int,
) -> None:
    sites: dict[int, list[CaseFacts]] = {}
    for index in order:
        sites.setdefault(owners[index], []).append(cases[index])
    counter = step if dims == 2 else step_3d
    merged, plan = outcome(list(sites.values()), counter, dims)
    together, plan_together = outcome([cases], counter, dims)
    assert merged == together
    assert plan == plan_together
    assert plan.to_text() == plan_together.to_text()
    assert plan.sha256() == plan_together.sha256()


def test_with_a_limit_the_split_does_matter(cases: list[CaseFacts]) -> None:
    """So the property above is one of exact counts, and can fail."""
    policy = Policy(smallest_count=5)
    whole = merge([release(cases, task=ABDOMEN, policy=policy, memory=MEMORY)])
    halves = [
        release(part, task=ABDOMEN, policy=policy, memory=MEMORY)
        for part in (cases[::2], cases[1::2])
    ]
    assert merge(halves) != whole
