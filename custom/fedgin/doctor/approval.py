"""Whether the site lets only approved code run, and whether its list can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgin.approval.approved_list import APPROVED_FILE, read_approved
from fedgin.approval.job_apps import app_for_site, job_apps
from fedgin.config import read_mapping
from fedgin.doctor.finding import Finding, failed, ok, skipped, warning
from fedgin.doctor.kit import Kit
from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import FedginError

DEPLOYER = "fedgin.flare.approval.ApprovedCodeDeployer"
COMPONENT = "app_deployer"
RESOURCES = "resources.json"
_NAME = "approved code"


def check_approval(subject: Subject, notes: Notes) -> list[Finding]:
    """Looks for the component in the kit, reads its list, and looks the first job up in it."""
    assert subject.kit is not None
    component = find_component(subject.kit)
    if component is None:
        found = "off: the site runs any job that its authorization.json lets in"
        return [ok(_NAME, found, on=0)]
    if component.get("path") != DEPLOYER:
        mend = f"give the component '{COMPONENT}' the path {DEPLOYER}"
        return [failed(_NAME, f"another {COMPONENT}: {component.get('path')!r}", mend)]
    arguments = component.get("args") or {}
    file = subject.kit.local / str(arguments.get("approved_code", APPROVED_FILE))
    try:
        approved = read_approved(file)
    except FedginError as error:
        found = "; ".join(
            f"{problem.where}: {problem.rule}; found {problem.found}" for problem in error.problems
        )
        return [failed(_NAME, f"on, but no job will run: {found}", error.problems[0].mend, on=1)]
    count = len(approved)
    if not approved:
        mend = "review the first job, then `fedgin job approve`"
        return [warning(_NAME, "on, and nothing is approved yet", mend, on=1, approved=0)]
    listed = ok(_NAME, f"on, {count} approved", on=1, approved=count)
    return [listed, _first_job(subject, approved, file)]


def find_component(kit: Kit) -> dict[str, Any] | None:
    """Returns the kit's deployer of apps, as its resources.json has it; None where it has none."""
    file = kit.local / RESOURCES  # FLARE's own resources.json.default has no such component
    components = read_mapping(file).get("components") if file.exists() else []
    for component in components if isinstance(components, list) else []:
        if isinstance(component, dict) and component.get("id") == COMPONENT:
            return component
    return None


def _first_job(subject: Subject, approved: dict[str, str], file: Path) -> Finding:
    name = "the job's approval"
    if subject.job is None:
        return skipped(name, "no job was named", "name one with --job")
    try:
        app = app_for_site(job_apps(subject.job), subject.name)
    except FedginError as error:
        problem = error.problems[0]
        return failed(name, f"{problem.rule}; found {problem.found}", problem.mend)
    if app.sha256 in approved:
        return ok(name, f"hash {app.sha256[:16]}: {approved[app.sha256]}", sha256=app.sha256)
    mend = f"review it, then `fedgin job approve JOB --list {file}`"
    return failed(name, f"hash {app.sha256} is not approved", mend, sha256=app.sha256)
