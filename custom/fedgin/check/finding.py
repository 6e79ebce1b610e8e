"""What a check finds: the rule that is broken, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fedgin.errors import Problem

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One broken rule.

    Attributes:
        level: `error`: the data are wrong or would mislead; `warning`: look at it.
        rule: Name of the rule, one of `fedgin.check.rules.RULES`.
        cases: Names of the cases concerned, the one to look at first; none where it is the set.
        text: What was found. It names no case, patient or file.
        mend: What to do about it; it names none either.
        problem: A refusal that says it instead, and may name files and patients.
    """

    level: Level
    rule: str
    cases: tuple[str, ...] = ()
    text: str = ""
    mend: str = ""
    problem: Problem | None = None
