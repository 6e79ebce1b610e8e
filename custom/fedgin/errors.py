"""Errors that a user can act on: where, which rule, what was found, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One violated rule.

    Attributes:
        where: The file, case or key concerned.
        rule: What must hold.
        found: What was found instead.
        mend: What the user can do about it.
    """

    where: str
    rule: str
    found: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}; found {self.found}. Mend: {self.mend}"


class FedginError(Exception):
    """A refusal: carries one or more problems, all of which are shown together."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        if not self.problems:
            raise ValueError("a FedginError needs at least one problem")
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = [f"{len(self.problems)} problems:"]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1)]
        return "\n".join(lines)


class ConfigError(FedginError):
    """A configuration file, key or argument breaks a rule."""


class DataError(FedginError):
    """An image, a label map or a set of cases breaks a rule."""


class ApprovalError(FedginError):
    """An app, or a site's list of approved apps, breaks a rule of code approval."""
