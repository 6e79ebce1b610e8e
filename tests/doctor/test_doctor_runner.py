"""No check's failure hides another's findings, and none shows a traceback."""

from __future__ import annotations

import errno
import logging
import warnings

import pytest
from hospital import CANARY, CANARY_PARTS
from subjects import make_subject

from fedgin.doctor import runner
from fedgin.doctor.finding import DoctorReport, Finding, ok, warning
from fedgin.doctor.runner import Check, examine, run_check
from fedgin.doctor.subject import Notes, Subject


def broken(subject: Subject, notes: Notes) -> list[Finding]:
    raise RuntimeError(f"cannot read {CANARY}")


def full(subject: Subject, notes: Notes) -> list[Finding]:
    raise OSError(errno.ENOSPC, "No space left on device", f"/data/{CANARY}.nii")


def talkative(subject: Subject, notes: Notes) -> list[Finding]:
    notes.names.add(CANARY)
    logging.getLogger("fedgin.data.cache").warning("entry of %s is damaged", CANARY)
    logging.getLogger("fedgin.data.cache").info("said of %s", CANARY)
    logging.getLogger("other").error("of %s", CANARY)
    warnings.warn(CANARY, stacklevel=1)
    return [ok("volumes", "fine")]


def sound(subject: Subject, notes: Notes) -> list[Finding]:
    return [warning("thing", "so so", "see to it")]


def run(check: Check) -> list[Finding]:
    return run_check(check, make_subject(), Notes())


def test_an_unexpected_error_is_a_finding_with_its_type() -> None:
    (found,) = run(Check("data", broken))
    assert found.status == "failed"
    assert found.found.startswith("RuntimeError at ")
    assert CANARY not in found.model_dump_json()


def test_the_systems_reason_is_told() -> None:
    (found,) = run(Check("data", full))
    assert found.found.startswith("OSError (No space left on device)")
    assert CANARY not in found.model_dump_json()


def test_logs_are_kept_and_the_packages_warnings_told(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handlers = list(logging.getLogger().handlers)
    found = run(Check("data", talkative))
    assert [finding.name for finding in found] == ["volumes", "logged"]
    assert "is damaged" in found[1].found
    assert found[1].status == "warning"
    assert logging.getLogger().handlers == handlers
    printed = capfd.readouterr()
    for part in CANARY_PARTS:
        for text in (found[1].found, printed.out, printed.err, caplog.text):
            assert part not in text.lower()


def test_all_checks_run_whatever_one_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (
        Check("first", broken),
        Check("needs a site", sound, needs_site=True),
        Check("needs a kit", sound, needs_kit=True),
        Check("last", sound),
    )
    monkeypatch.setattr(runner, "CHECKS", checks)
    told: list[str] = []
    report = examine(make_subject(), on_check=told.append)
    assert told == [check.name for check in checks]
    statuses = [(finding.check, finding.status) for finding in report.findings]
    assert statuses == [
        ("first", "failed"),
        ("needs a site", "skipped"),
        ("needs a kit", "skipped"),
        ("last", "warning"),
    ]
    assert not report.passed
    assert report.counts == {"ok": 0, "warning": 1, "failed": 1, "skipped": 2}
    assert DoctorReport.model_validate_json(report.model_dump_json()) == report


def test_warnings_alone_let_a_site_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CHECKS", (Check("last", sound),))
    assert examine(make_subject()).passed
