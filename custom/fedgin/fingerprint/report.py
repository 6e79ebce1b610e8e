"""What came of a request for fingerprints: the sums, who said what, and the plan, as a document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedgin.files import SHARED, write_atomically
from fedgin.fingerprint.bins import bins_version
from fedgin.fingerprint.document import (
    FORMAT,
    TOO_FEW,
    ModalityCounts,
    SiteSummary,
    counts_message,
    merge,
)
from fedgin.fingerprint.network_rules import StepMemory
from fedgin.fingerprint.plan import PLAN_FILE, Plan
from fedgin.fingerprint.plan_rules import derive_plan
from fedgin.fingerprint.settings import FingerprintSettings
from fedgin.tasks import get_task

FINGERPRINT_FILE = "fingerprint.json"
LONGEST_REASON = 200


@dataclass
class Fingerprint:
    """A federation's fingerprint.

    Attributes:
        settings: What was asked.
        answers: What sites sent, by site.
        refused: Why a site's answer was refused, or that none came, by site.
    """

    settings: FingerprintSettings
    answers: dict[str, SiteSummary] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def accept(self, site: str, summary: SiteSummary) -> None:
        """Takes a site's answer.

        Raises:
            ValueError: It is of another task.
        """
        if summary.task != self.settings.task:
            raise ValueError(f"it counts task {summary.task}; asked was {self.settings.task}")
        self.answers[site] = summary

    def refuse(self, site: str, reason: str) -> None:
        """Notes why nothing of a site is counted."""
        self.refused[site] = reason[:LONGEST_REASON]

    def close(self, sites: Iterable[str], *, seconds: int) -> None:
        """Notes the sites that were asked and have not answered in time."""
        for site in sites:
            if site not in self.answers and site not in self.refused:
                self.refuse(site, f"no answer within {seconds} s")

    @property
    def counted(self) -> dict[str, SiteSummary]:
        """The sites that sent counts, in the order of their names."""
        return {
            site: self.answers[site]
            for site in sorted(self.answers)
            if self.answers[site].status != TOO_FEW
        }

    def merged(self) -> dict[str, ModalityCounts]:
        """Adds up the sites' counts."""
        return merge(list(self.counted.values()))

    def plan(self, *, step: StepMemory | None = None) -> Plan:
        """Derives the plan, from the devices of all sites that answered.

        Raises:
            DataError: No case was counted.
        """
        return derive_plan(
            self.merged(),
            task=get_task(self.settings.task),
            dims=self.settings.spatial_dims,
            memory=[summary.memory for summary in self.answers.values()],
            step=step,
        )

    def document(self) -> dict[str, Any]:
        """Returns all of it as plain values."""
        return {
            "format": FORMAT,
            "bins": bins_version(),
            "task": self.settings.task,
            "spatial_dims": self.settings.spatial_dims,
            "sites": {site: self._site(site) for site in sorted({*self.answers, *self.refused})},
            "modalities": {m: counts_message(counts) for m, counts in self.merged().items()},
        }

    def _site(self, site: str) -> dict[str, Any]:
        if site in self.refused:
            return {"status": "refused", "reason": self.refused[site]}
        summary = self.answers[site]
        return {
            "status": summary.status,
            "smallest_count": summary.smallest_count,
            "epsilon": summary.epsilon,
            "memory": summary.memory,
            "cases": {name: counts.cases for name, counts in summary.modalities.items()},
        }


def write_fingerprint(folder: Path, fingerprint: Fingerprint, plan: Plan | None) -> None:
    """Writes `fingerprint.json` and, where there is a plan, `plan.json`; no older plan stays."""
    text = json.dumps(fingerprint.document(), indent=1, allow_nan=False) + "\n"
    write_atomically(folder / FINGERPRINT_FILE, text.encode(), mode=SHARED)
    if plan is None:
        (folder / PLAN_FILE).unlink(missing_ok=True)
    else:
        write_atomically(folder / PLAN_FILE, plan.to_text().encode(), mode=SHARED)


def describe(fingerprint: Fingerprint, plan: Plan | None) -> str:
    """Says in lines what sites answered and what the plan is."""
    settings = fingerprint.settings
    state = "complete" if plan is not None and not fingerprint.refused else "incomplete"
    lines = [f"=== fingerprint of task {settings.task}, {settings.spatial_dims}D: {state} ==="]
    document = fingerprint.document()
    lines += [f"{site}: {_words(told)}" for site, told in document["sites"].items()]
    if plan is None:
        reason = "no plan: no case was counted; a site with fewer training patients than its"
        return "\n".join([*lines, f"{reason} smallest count tells nothing"]) + "\n"
    lines += ["", f"Plan {plan.sha256()[:16]}"]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in plan.settings().items()]
    lines += [f"  fits {plan.memory}; cases {_cases(plan.cases)}"]
    lines += [f"  note: {note}" for note in plan.notes]
    return "\n".join(lines) + "\n"


def _words(told: Mapping[str, Any]) -> str:
    if told["status"] == "refused":
        return f"nothing counted: {told['reason']}"
    smallest, epsilon = told["smallest_count"], told["epsilon"]
    policy = "no smallest count" if smallest <= 1 else f"counts of {smallest} patients or more"
    policy += ", no noise" if epsilon is None else f", noise of epsilon {epsilon:g}"
    if told["status"] == TOO_FEW:
        return f"too few patients, nothing sent ({policy})"
    return f"{_cases(told['cases'])} cases; {policy}; device {told['memory']}"


def _cases(cases: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {modality}" for modality, count in cases.items())
