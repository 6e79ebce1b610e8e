"""No count stands on fewer patients than the site's limit, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest
from made_cases import ABDOMEN, made_case, made_cases

from fedgin.fingerprint.bins import bins_of
from fedgin.fingerprint.case_facts import CaseFacts
from fedgin.fingerprint.counts import first_of_each_patient, grouped

NAMES = tuple(bins_of("CT", ABDOMEN))


def ones(bins: list[int], *, patients: list[str] | None = None) -> list[CaseFacts]:
    """Cases with one count each, in the bins named."""
    names = patients or [str(number) for number in range(len(bins))]
    return [
        CaseFacts(patient=name, modality="CT", counts={"q": np.eye(20, dtype=np.int64)[index]})
        for name, index in zip(names, bins, strict=True)
    ]


def exact(facts: list[CaseFacts], name: str) -> np.ndarray:
    return np.sum([case.counts[name] for case in facts], axis=0)


def support(facts: list[CaseFacts], name: str, released: np.ndarray) -> list[int]:
    """Patients behind each count, found anew: those of the counts in order, dealt out as sent."""
    owners = [
        case.patient
        for index in range(released.size)
        for case in facts
        for _ in range(int(case.counts[name][index]))
    ]
    found, start = [], 0
    for number in released[released > 0]:
        found.append(len(set(owners[start : start + int(number)])))
        start += int(number)
    return found


@pytest.mark.parametrize("smallest", [2, 5, 9])
@pytest.mark.parametrize("name", NAMES)
def test_every_count_stands_on_enough_patients_and_the_sum_stays(name: str, smallest: int) -> None:
    facts = made_cases(23)
    facts += [made_case(100 + i, patient="often") for i in range(6)]  # one patient, six cases
    released = grouped(facts, name, smallest=smallest)
    assert released.sum() == exact(facts, name).sum()
    assert min(support(facts, name, released)) >= smallest


def test_a_limit_of_one_changes_nothing() -> None:
    facts = made_cases(7)
    for name in NAMES:
        assert np.array_equal(grouped(facts, name, smallest=1), exact(facts, name))


def test_groups_by_hand() -> None:
    facts = ones([0, 1, 1, 4, 5, 5, 5, 9])
    # {0, 1, 1} at their middle count, {4, 5, 5, 5}: bin 4 alone is too few; 9 joins the last.
    assert grouped(facts, "q", smallest=3).tolist() == [0, 3, 0, 0, 0, 5] + [0] * 14


def test_too_few_patients_tell_nothing() -> None:
    assert grouped(ones([3, 3, 3, 3]), "q", smallest=5).sum() == 0
    # Five cases of two patients are two patients.
    same = ones([3] * 5, patients=["a", "a", "a", "b", "b"])
    assert grouped(same, "q", smallest=3).sum() == 0


def test_one_case_of_each_patient() -> None:
    facts = ones([1, 2, 3, 4], patients=["a", "b", "a", "c"])
    assert first_of_each_patient(facts) == [facts[0], facts[1], facts[3]]
