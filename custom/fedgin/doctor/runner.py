"""All checks of one site, one after another; none hides another."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import fedgin
from fedgin.doctor.approval import check_approval
from fedgin.doctor.certificates import check_certificates
from fedgin.doctor.clock import check_clock
from fedgin.doctor.data import check_data
from fedgin.doctor.disk import check_disk
from fedgin.doctor.finding import DoctorReport, Finding, make_report, skipped
from fedgin.doctor.forecast import check_forecast
from fedgin.doctor.leaving import check_leaving
from fedgin.doctor.memory import check_memory
from fedgin.doctor.network import check_network
from fedgin.doctor.scrub import make_scrubber
from fedgin.doctor.site_file import check_site_file
from fedgin.doctor.subject import Notes, Subject
from fedgin.doctor.versions import check_versions
from fedgin.doctor.watched import run_watched


@dataclass(frozen=True)
class Check:
    """A family of checks.

    Attributes:
        name: Its name.
        run: Looks at the site, and may leave notes for those after it.
        needs_site: Whether it needs a sound site file.
        needs_kit: Whether it needs the site's kit.
    """

    name: str
    run: Callable[[Subject, Notes], list[Finding]]
    needs_site: bool = False
    needs_kit: bool = False


CHECKS = (
    Check("site file", check_site_file),
    Check("data", check_data, needs_site=True),
    Check("memory", check_memory, needs_site=True),
    Check("disk", check_disk, needs_site=True),
    Check("network", check_network, needs_kit=True),
    Check("certificates", check_certificates, needs_kit=True),
    Check("code approval", check_approval, needs_kit=True),
    Check("leaving", check_leaving, needs_kit=True),
    Check("clock", check_clock),
    Check("versions", check_versions),
    Check("forecast", check_forecast, needs_site=True),
)


def examine(
    subject: Subject, *, on_check: Callable[[str], None] = lambda name: None
) -> DoctorReport:
    """Runs all checks.

    Args:
        subject: The site.
        on_check: Told each check's name before it runs.

    Returns:
        The findings of all, whatever happened in one.
    """
    notes = Notes()
    findings: list[Finding] = []
    for check in CHECKS:
        on_check(check.name)
        findings += [
            finding.model_copy(update={"check": check.name})
            for finding in run_check(check, subject, notes)
        ]
    return make_report(
        tuple(findings),
        version=fedgin.__version__,
        site=subject.name,
        task=subject.settings.task.name,
    )


def run_check(check: Check, subject: Subject, notes: Notes) -> list[Finding]:
    """Runs one check where it has what it needs, and says so where it has not."""
    if check.needs_site and subject.site is None:
        return [skipped("all", "the site's file must be mended first")]
    if check.needs_kit and subject.kit is None:
        return [skipped("all", "no kit was named", "name the site's kit with --kit")]
    return run_watched(
        functools.partial(check.run, subject, notes),
        scrubber=functools.partial(make_scrubber, subject, notes),
    )
