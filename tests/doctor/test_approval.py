"""What the doctor says of a site's code approval."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from subjects import by_name, make_subject

from fedgin.approval.approved_list import APPROVED_FILE, HEADING, approve
from fedgin.approval.job_apps import job_apps
from fedgin.doctor.approval import DEPLOYER, check_approval
from fedgin.doctor.kit import Kit
from fedgin.doctor.subject import Notes


@pytest.fixture
def closed(kit: Kit, repository: Path) -> Kit:
    """A kit with what a closed hospital copies into it."""
    folder = repository / "site_configs" / "closed_hospital"
    for name in ("resources.json", APPROVED_FILE):
        shutil.copy(folder / name, kit.local)
    return kit


def test_a_site_without_it_is_told_so(kit: Kit, repository: Path) -> None:
    for _ in range(2):
        (found,) = check_approval(make_subject(kit=kit), Notes())
        assert (found.status, found.values["on"]) == ("ok", 0)
        shutil.copy(repository / "site_configs/hospital/resources.json", kit.local)


def test_a_job_is_approved_or_not(closed: Kit, repository: Path) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    subject = make_subject(kit=closed, job=job)
    (found,) = check_approval(subject, Notes())
    assert (found.status, found.values) == ("warning", {"on": 1, "approved": 0})
    file = closed.local / APPROVED_FILE
    approve(file, sha256="0" * 64, note="another")
    (sha256,) = (app.sha256 for app in job_apps(job))
    refused = by_name(check_approval(subject, Notes()))["the job's approval"]
    assert refused.status == "failed"
    assert sha256 in refused.found
    assert str(file) in refused.mend
    approve(file, sha256=sha256, note="officer")
    found = by_name(check_approval(subject, Notes()))
    assert {name: finding.status for name, finding in found.items()} == {
        "approved code": "ok",
        "the job's approval": "ok",
    }
    unnamed = by_name(check_approval(make_subject(kit=closed), Notes()))
    assert unnamed["the job's approval"].status == "skipped"


@pytest.mark.parametrize("text", [None, f"{HEADING}*\n"])
def test_a_list_that_approves_nothing_by_a_fault_fails(text: str | None, closed: Kit) -> None:
    file = closed.local / APPROVED_FILE
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    (found,) = check_approval(make_subject(kit=closed), Notes())
    assert found.status == "failed"
    assert str(file) in found.found
    assert ("line 3" in found.found) == (text is not None)


def test_another_deployer_in_its_place_fails(closed: Kit) -> None:
    file = closed.local / "resources.json"
    file.write_text(file.read_text().replace(DEPLOYER, "some.other.Deployer"))
    assert json.loads(file.read_text())
    (found,) = check_approval(make_subject(kit=closed), Notes())
    assert found.status == "failed"
    assert "some.other.Deployer" in found.found
