"""What `fedgin check` would say of the cases that preparing has read, a line for each rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedgin.check.finding import Finding as Broken
from fedgin.check.site_check import checked_cases, judge
from fedgin.data.pair_facts import PairFacts
from fedgin.data.prepare import site_label_map
from fedgin.data.sources import Case
from fedgin.doctor.finding import Finding, failed, warning
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site

TOLD_BY_PREPARING = frozenset({"splits", "empty"})
SHOWN_CASES = 3


def judge_cases(
    site: Site,
    settings: ResolvedSettings,
    cases: Sequence[Case],
    facts: Mapping[str, PairFacts],
    *,
    hashed: Callable[[str], str],
) -> list[Finding]:
    """Applies the rules to what is known of the cases; no volume is read again.

    Args:
        site: The site's file.
        settings: Settings of the first job.
        cases: The site's cases.
        facts: Facts by case name, of those that could be read.
        hashed: Returns the hash that stands for a case.
    """
    if not facts:
        return []  # preparing has said why
    names = site_label_map(site, settings, partial=True).names
    read = checked_cases(site, cases, facts, names)
    by_rule: dict[tuple[str, str], list[Broken]] = {}
    for broken in judge(read, names=names.values()):
        if broken.rule not in TOLD_BY_PREPARING:
            by_rule.setdefault((broken.level, broken.rule), []).append(broken)
    return [_tell(broken, hashed) for _, broken in sorted(by_rule.items())]


def _tell(broken: Sequence[Broken], hashed: Callable[[str], str]) -> Finding:
    first = broken[0]
    cases = list(dict.fromkeys(name for one in broken for name in one.cases))
    shown = ", ".join(hashed(name) for name in cases[:SHOWN_CASES])
    if more := cases[SHOWN_CASES:]:
        shown += f" and {len(more)} more"
    found = f"{first.text} (case {shown})" if cases else first.text
    if len(broken) > 1:
        found += f"; {len(broken)} findings of the kind"
    mend = f"{first.mend}; `fedgin check` shows all"
    make = failed if first.level == "error" else warning
    return make(first.rule, found, mend, findings=len(broken), cases=len(cases))
