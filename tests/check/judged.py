"""What the rules say of made cases, without files and processes."""

from __future__ import annotations

from collections.abc import Mapping

from made_sets import LABELS

from fedgin.check.finding import Finding
from fedgin.check.site_check import judge
from fedgin.check.structures import structures_of
from fedgin.check.subject import CheckedCase
from fedgin.data.pair_facts import PairFacts, gather_facts
from fedgin.data.volume import LabelledVolume

NAMES = {0: "background", **{value: name for name, value in LABELS.items()}}


def checked(
    pair: LabelledVolume,
    *,
    name: str = "a",
    patient: str = "",
    split: str = "train",
    names: Mapping[int, str] = NAMES,
) -> CheckedCase:
    """A case as the rules see it; each is another patient's."""
    facts = gather_facts(pair, values=names.keys())
    return case_of(facts, name=name, patient=patient, split=split, names=names)


def case_of(
    facts: PairFacts,
    *,
    name: str,
    patient: str = "",
    split: str = "train",
    names: Mapping[int, str] = NAMES,
) -> CheckedCase:
    """The same from what reading a case gave."""
    return CheckedCase(
        name=name,
        patient=patient or name,
        split=split,
        facts=facts,
        structures=structures_of(facts, names),
    )


def found(*cases: CheckedCase, names: Mapping[int, str] = NAMES) -> list[Finding]:
    """All findings of the rules about cases and about the set."""
    return judge(cases, names=names.values())


def told(
    *cases: CheckedCase, names: Mapping[int, str] = NAMES
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Level, rule and cases of each."""
    return [(one.level, one.rule, one.cases) for one in found(*cases, names=names)]
