"""What leaves a site under its policy."""

from __future__ import annotations

import pytest
from made_cases import ABDOMEN, MEMORY, made_cases

from fedgin.config import parse
from fedgin.errors import ConfigError
from fedgin.fingerprint.document import SENT, TOO_FEW, read_summary
from fedgin.fingerprint.release import EXACT, Policy, policy_of, release
from fedgin.sites.schema import SiteConfig

PHANTOM = {"modality": "CT", "dataset": {"kind": "phantom", "protocol": "p", "seed": 1, "cases": 9}}
FILES = {
    "modality": "CT",
    "dataset": {"kind": "glob", "root": "/", "images": "*.nii", "labels": "l/*.nii"},
    "labels": {"liver": 1},
}


@pytest.mark.parametrize(
    ("content", "policy"),
    [
        (PHANTOM, Policy()),
        (FILES, Policy(smallest_count=5)),
        ({**FILES, "smallest_group": 12}, Policy(smallest_count=12)),
        (
            {**FILES, "smallest_group": 12, "fingerprint": {"smallest_count": 20, "epsilon": 2}},
            Policy(smallest_count=20, epsilon=2.0),
        ),
        ({**PHANTOM, "fingerprint": {"smallest_count": 6}}, Policy(smallest_count=6)),
    ],
)
def test_a_site_s_policy(content: dict[str, object], policy: Policy) -> None:
    assert policy_of(parse(SiteConfig, content, where="test")) == policy


@pytest.mark.parametrize(
    "wrong", [{"smallest_count": 4}, {"epsilon": 0}, {"epsilon": "much"}, {"epsilom": 1}]
)
def test_a_policy_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="fingerprint"):
        parse(SiteConfig, {**FILES, "fingerprint": wrong}, where="test")


def test_too_few_patients_send_nothing_but_say_so() -> None:
    for policy in (Policy(smallest_count=5), Policy(smallest_count=500, epsilon=3.0)):
        sent = release(made_cases(4), task=ABDOMEN, policy=policy, memory=MEMORY)
        assert sent.status == TOO_FEW
        assert sent.message()["modalities"] == {}
        assert read_summary(sent.message()) == sent
    assert release([], task=ABDOMEN, policy=EXACT, memory=MEMORY).status == TOO_FEW


def test_a_modality_with_few_patients_is_left_out_whole() -> None:
    facts = [*made_cases(12), *made_cases(3, modality="MR", first=50)]
    sent = release(facts, task=ABDOMEN, policy=Policy(smallest_count=5), memory=MEMORY)
    assert sent.status == SENT
    assert list(sent.modalities) == ["CT"]
    both = release(facts, task=ABDOMEN, policy=EXACT, memory=MEMORY)
    assert {name: c.cases for name, c in both.modalities.items()} == {"CT": 12, "MR": 3}


def test_nothing_of_a_site_but_counts_and_known_words_is_in_a_message() -> None:
    sent = release(made_cases(9), task=ABDOMEN, policy=EXACT, memory=MEMORY).message()
    words: set[str] = set()

    def collect(node: object) -> None:
        if isinstance(node, dict):
            for value in node.values():
                collect(value)
        elif isinstance(node, (list, tuple)):
            for value in node:
                assert type(value) is int
        elif isinstance(node, str):
            words.add(node)

    collect(sent)
    assert words == {sent["bins"], "abdomen", SENT, MEMORY}
    assert not [word for word in str(sent).split() if "patient" in word]
