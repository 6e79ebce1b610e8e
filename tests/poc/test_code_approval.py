"""A site that approves code: what its officer has not approved does not even start there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedgin.approval.app_hash import app_hash
from fedgin.approval.approved_list import APPROVED_FILE, HEADING, approve
from fedgin.approval.job_apps import job_apps

from .federation import Federation, contributions, wait_until

pytestmark = pytest.mark.slow

STRICT, TRUSTING = "hospital-a", "hospital-b"
# Hospital-c approves code as well, and takes none that a job brings.
HOSTILE = """\
import os, sys
site = sys.argv[sys.argv.index("-c") + 1] if "-c" in sys.argv else "server"
with open(os.path.join(os.environ["FED"], "hostile-" + site + "-" + __name__), "w") as file:
    file.write("ran")
"""


@pytest.fixture(scope="module")
def strict_site(federation: Federation, repository: Path) -> Iterator[Path]:
    """Hospital-a, which takes code with jobs, approves it from now on; its list is given."""
    local = federation.kit(STRICT) / "local"
    before = (local / "resources.json").read_text()
    resources = json.loads(before)
    resources["components"].append(closed_hospitals_component(repository))
    federation.kill_site(STRICT)
    (local / "resources.json").write_text(json.dumps(resources))
    (local / APPROVED_FILE).write_text(HEADING)
    federation.start_site(STRICT)
    wait_until(lambda: STRICT in federation.clients(), seconds=60, what="hospital-a is back")
    yield local / APPROVED_FILE
    federation.kill_site(STRICT)
    (local / "resources.json").write_text(before)
    (local / APPROVED_FILE).unlink()
    federation.start_site(STRICT)
    wait_until(lambda: STRICT in federation.clients(), seconds=60, what="hospital-a is back")


def closed_hospitals_component(repository: Path) -> dict[str, Any]:
    file = repository / "site_configs" / "closed_hospital" / "resources.json"
    components: list[dict[str, Any]] = json.loads(file.read_text())["components"]
    return next(component for component in components if component["id"] == "app_deployer")


def make_hostile(job: Path) -> None:
    """Adds code that runs when a client's configuration is built, and when Python starts."""
    custom, config = job / "app" / "custom", job / "app" / "config" / "config_fed_client.json"
    # Ends the job's process once the file is written: the test need not wait for a training.
    (custom / "helper.py").write_text(f"{HOSTILE}raise SystemExit(3)\n")
    (custom / "sitecustomize.py").write_text(HOSTILE)
    content = json.loads(config.read_text())
    content["components"].insert(0, {"id": "helper", "path": "helper.Helper", "args": {}})
    config.write_text(json.dumps(content, indent=2) + "\n")


def traces(federation: Federation) -> set[str]:
    return {file.name for file in federation.folder.glob("hostile-*")}


def deploy_detail(federation: Federation, job: str) -> str:
    """What the submitter is told of the deployment, a line for each participant."""
    return "\n".join(federation.nvflare("job", "meta", job).get("job_deploy_detail", []))


def test_hostile_code_runs_at_the_trusting_site_and_nowhere_else(
    federation: Federation, strict_site: Path, tiny_job: Callable[..., Path]
) -> None:
    job = tiny_job("hostile", "num_rounds=1", "min_clients=1", "min_sites.mr=0", byoc=True)
    make_hostile(job)
    (app,) = job_apps(job)
    identifier = federation.submit(job, approved=False)
    federation.wait(identifier)
    # Without the defence the attack works, or this test would show nothing.
    assert f"hostile-{TRUSTING}-helper" in traces(federation)
    told = deploy_detail(federation, identifier)
    for site in (STRICT, "hospital-c"):
        assert not [name for name in traces(federation) if site in name]
        assert not (federation.kit(site) / identifier).exists()
        log = (federation.kit(site) / "log.txt").read_text(errors="replace")
        assert app.sha256 in log
        assert f"fedgin job approve JOB --list {federation.kit(site)}/local/{APPROVED_FILE}" in log
        refused = rf"{site}: .*code approval: .*has not approved the app with hash {app.sha256}"
        assert re.search(refused, told), told
    assert f"{TRUSTING}: OK" in told
    assert str(federation.folder) not in told  # nothing of a site's disk reaches the sender


def test_an_approved_job_runs_and_one_changed_argument_stops_it(
    federation: Federation, strict_site: Path, tiny_job: Callable[..., Path]
) -> None:
    job = tiny_job("approved", "num_rounds=1", "min_clients=2", "min_sites.mr=0", byoc=True)
    changed = Path(shutil.copytree(job, job.parent / "changed"))
    (app,) = job_apps(job)
    approve(strict_site, sha256=app.sha256, note="reviewed by the officer")
    identifier = federation.submit(job)
    assert federation.wait(identifier) == "FINISHED:COMPLETED"
    accepted = contributions(federation.download(identifier))[1]
    assert accepted == {STRICT: "accepted", TRUSTING: "accepted"}
    # The folder that was reviewed, signed by its submission, has the hash of the site's disk.
    on_disk = federation.kit(STRICT) / identifier / f"app_{STRICT}"
    assert app_hash(on_disk) == app_hash(job / "app") == app.sha256
    # The same allowed classes, one argument changed; two sites are needed and one is left.
    config = changed / "app" / "config" / "config_fed_client.json"
    content = json.loads(config.read_text())
    content["executors"][0]["executor"]["args"]["probe"] = "/etc/hostname"
    config.write_text(json.dumps(content, indent=2) + "\n")
    identifier = federation.submit(changed, approved=False)
    assert federation.wait(identifier) != "FINISHED:COMPLETED"
    assert not (federation.kit(STRICT) / identifier).exists()
    assert job_apps(changed)[0].sha256 in deploy_detail(federation, identifier)
