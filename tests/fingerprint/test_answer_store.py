"""Noisy answers are kept, given again, and counted against the site's limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_cases import ABDOMEN, MEMORY, made_cases

from fedgin.errors import ConfigError
from fedgin.fingerprint.document import SiteSummary
from fedgin.fingerprint.release import Policy, release
from fedgin.fingerprint.store import AnswerStore
from fedgin.privacy.budget import BudgetSpentError

POLICY = Policy(smallest_count=5, epsilon=2.0)


@pytest.fixture
def make() -> Callable[[], SiteSummary]:
    facts = made_cases(100)  # so many that no noise hides them all
    return lambda: release(facts, task=ABDOMEN, policy=POLICY, memory=MEMORY)


def test_the_same_data_get_the_same_noise_and_cost_nothing_more(
    tmp_path: Path, make: Callable[[], SiteSummary]
) -> None:
    first = AnswerStore(tmp_path / "a").answer("data", policy=POLICY, limit=2.0, make=make)
    again = AnswerStore(tmp_path / "a").answer("data", policy=POLICY, limit=2.0, make=make)
    assert again == first
    assert AnswerStore(tmp_path / "a").spent() == 2.0
    elsewhere = AnswerStore(tmp_path / "b").answer("data", policy=POLICY, limit=2.0, make=make)
    assert elsewhere != first


def test_other_data_cost_again_until_the_limit(
    tmp_path: Path, make: Callable[[], SiteSummary]
) -> None:
    store = AnswerStore(tmp_path)
    store.answer("data", policy=POLICY, limit=5.0, make=make)
    store.answer("a patient more", policy=POLICY, limit=5.0, make=make)
    with pytest.raises(BudgetSpentError, match="epsilon 6 in all"):
        store.answer("two patients more", policy=POLICY, limit=5.0, make=make)
    assert store.spent() == 4.0
    assert store.answer("two patients more", policy=POLICY, limit=None, make=make)


def test_answers_of_other_bins_count_still(tmp_path: Path, make: Callable[[], SiteSummary]) -> None:
    """As after a change of version: they are no answers of ours, but they have been given."""
    store = AnswerStore(tmp_path)
    store.answer("data", policy=POLICY, limit=None, make=make)
    (file,) = tmp_path.glob("*.json")
    file.write_text(re.sub(r'"bins": "[0-9a-f]+"', f'"bins": "{"0" * 64}"', file.read_text()))
    assert store.spent() == 2.0
    with pytest.raises(BudgetSpentError):
        store.answer("data of the new version", policy=POLICY, limit=3.0, make=make)


def test_what_cannot_be_kept_is_not_given(tmp_path: Path, make: Callable[[], SiteSummary]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        AnswerStore(tmp_path / "file").answer("data", policy=POLICY, limit=None, make=make)


def test_a_damaged_answer_is_neither_given_nor_forgotten(
    tmp_path: Path, make: Callable[[], SiteSummary]
) -> None:
    store = AnswerStore(tmp_path)
    store.answer("data", policy=POLICY, limit=None, make=make)
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text()[:-20])
    for content in ("data", "other"):
        with pytest.raises(ConfigError, match="restore it from a copy"):
            store.answer(content, policy=POLICY, limit=9.0, make=make)
