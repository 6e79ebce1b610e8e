"""What the doctor found, and the document in which it says so."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

from fedgin.config import StrictModel

Status = Literal["ok", "warning", "failed", "skipped"]
Value = int | float | str | None


class Finding(StrictModel):
    """One thing that was looked at.

    Attributes:
        check: The family of checks, such as `certificates`.
        name: What was looked at.
        status: `ok`; `warning`: training works, but see to it; `failed`: the first job would not
            run, or not as meant; `skipped`: not looked at, and why.
        found: What was found.
        mend: What to do about it; empty where nothing is to be done.
        values: The same as numbers, by name, with the unit in the name.
    """

    check: str = ""
    name: str
    status: Status
    found: str
    mend: str = ""
    values: dict[str, Value] = Field(default_factory=dict)


class DoctorReport(StrictModel):
    """All findings of one site: what `fedgin doctor --json` prints.

    Attributes:
        format: Version of this form.
        fedgin: Version of the package.
        site: Name of the site.
        task: Name of the task.
        passed: Whether nothing failed; then the exit code is 0.
        counts: Number of findings by status.
        findings: The findings, in the order of the checks.
    """

    format: Literal[1] = 1
    fedgin: str
    site: str
    task: str
    passed: bool
    counts: dict[Status, int]
    findings: tuple[Finding, ...]


def make_report(
    findings: tuple[Finding, ...], *, version: str, site: str, task: str
) -> DoctorReport:
    """Counts findings and puts them together."""
    counts = Counter(finding.status for finding in findings)
    return DoctorReport(
        fedgin=version,
        site=site,
        task=task,
        passed=not counts["failed"],
        counts={status: counts[status] for status in ("ok", "warning", "failed", "skipped")},
        findings=findings,
    )


def ok(name: str, found: str, **values: Value) -> Finding:
    """Makes a finding that needs nothing done."""
    return Finding(name=name, status="ok", found=found, values=values)


def warning(name: str, found: str, mend: str, **values: Value) -> Finding:
    """Makes a finding to see to."""
    return Finding(name=name, status="warning", found=found, mend=mend, values=values)


def failed(name: str, found: str, mend: str, **values: Value) -> Finding:
    """Makes a finding that stands in the way of the first job."""
    return Finding(name=name, status="failed", found=found, mend=mend, values=values)


def skipped(name: str, found: str, mend: str = "") -> Finding:
    """Makes a finding of something that was not looked at, and why."""
    return Finding(name=name, status="skipped", found=found, mend=mend)
