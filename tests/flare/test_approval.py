"""A site's code approval between FLARE's real deployment and its real launch."""

from __future__ import annotations

import io
import json
import logging
import os
import py_compile
import shutil
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nvflare.apis.fl_constant import FLContextKey, SystemComponents
from nvflare.apis.fl_context import FLContext
from nvflare.apis.job_launcher_spec import JobProcessArgs
from nvflare.apis.workspace import Workspace
from nvflare.fuel.sec.authz import AuthorizationService
from nvflare.fuel.utils.zip_utils import zip_directory_to_bytes
from nvflare.private.fed.app.fl_app_validator import FLAppValidator
from nvflare.private.fed.utils.app_authz import AppAuthzService
from nvflare.private.fed.utils.app_deployer import AppDeployer
from nvflare.private.privacy_manager import PrivacyService
from nvflare.security.security import EmptyAuthorizer

from fedgin.approval.app_hash import app_hash
from fedgin.approval.approved_list import HEADING, approve
from fedgin.flare.approval import ApprovedCodeDeployer, ApprovedCodeValidator
from fedgin.flare.launcher import RelaunchingLauncher

SITE = "hospital-a"
LIST = "local/approved_code.txt"


class Engine:
    """What the components ask FLARE's engine for."""

    def __init__(self, deployer: AppDeployer | None, running: tuple[str, ...] = ()) -> None:
        self.components = {SystemComponents.APP_DEPLOYER: deployer}
        self.running = running

    def get_component(self, name: str) -> object:
        return self.components.get(name)

    def get_all_job_ids(self) -> list[str]:
        return list(self.running)


class Site:
    """A kit with a list, and the reviewed app whose hash stands in it."""

    def __init__(self, folder: Path) -> None:
        self.kit = folder / "kit"
        for name in ("startup", "local"):
            (self.kit / name).mkdir(parents=True)
        self.workspace = Workspace(str(self.kit), site_name=SITE)
        self.app = folder / "app"
        (self.app / "config").mkdir(parents=True)
        (self.app / "custom" / "package").mkdir(parents=True)
        (self.app / "custom" / "package" / "code.py").write_text("x = 1\n")
        client = {"format_version": 2, "executors": [], "components": []}
        (self.app / "config" / "config_fed_client.json").write_text(json.dumps(client))
        (self.app / "config" / "config_fed_server.json").write_text("{}")
        self.sha256 = app_hash(self.app)
        (self.kit / LIST).write_text(f"{HEADING}{self.sha256}  reviewed\n")

    def deploy(self, deployer: AppDeployer, *, job: str = "", **values: Any) -> tuple[str, str]:
        """Deploys the app as it is now; returns the job and the answer."""
        job = job or str(uuid.uuid4())
        data = values.pop("data", None) or zip_directory_to_bytes(str(self.app), "")
        meta = {"job_id": values.pop("recorded", job), "scope": ""}
        context = context_of(deployer, self.workspace, job, **values)
        return job, deployer.deploy(self.workspace, job, meta, "app", data, context)


def context_of(
    deployer: AppDeployer | None, workspace: Workspace, job: str, running: tuple[str, ...] = ()
) -> FLContext:
    context = FLContext()
    put = {"private": True, "sticky": False}
    context.set_prop("__engine__", Engine(deployer, running), **put)
    context.set_prop(FLContextKey.WORKSPACE_OBJECT, workspace, **put)
    arguments = {JobProcessArgs.JOB_ID: ("-n", job)}
    context.set_prop(FLContextKey.JOB_PROCESS_ARGS, arguments, **put)
    return context


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    # What FLARE sets up when a client starts: its own validator, here with no rights and no scopes.
    monkeypatch.setattr(AppAuthzService, "app_validator", FLAppValidator(site_type="client"))
    monkeypatch.setattr(AuthorizationService, "the_authorizer", EmptyAuthorizer())
    monkeypatch.setattr(PrivacyService, "manager", None)
    return Site(tmp_path)


def compiled(app: Path) -> None:
    (app / "source.py").write_text("import os\n")
    py_compile.compile(str(app / "source.py"), str(app / "custom" / "package" / "code.pyc"))
    (app / "source.py").unlink()


def cached(app: Path) -> None:
    """Python would run it in place of the approved source beside it."""
    source = app / "custom" / "package" / "code.py"
    times = source.stat()
    source.write_text("x = 2\n")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    py_compile.compile(str(source))
    source.write_text("x = 1\n")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))


def argument(app: Path) -> None:
    config = app / "config" / "config_fed_client.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "allow_log_streaming": True}))


def another_format(app: Path) -> None:
    (app / "config" / "config_fed_client.conf").write_text("{}")


def written(name: str) -> Callable[[Path], None]:
    def write(app: Path) -> None:
        file = app / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("import os\n")

    return write


HOSTILE = {
    "an argument of the configuration": argument,
    "a configuration in another format": another_format,
    "a compiled module": compiled,
    "a cached module": cached,
    "a nested folder": written("custom/package/deep/er/__init__.py"),
    "sitecustomize": written("custom/sitecustomize.py"),
    "a .pth": written("custom/x.pth"),
    "a name that shadows the package": written("custom/fedgin/__init__.py"),
    "beside config and custom": written("other.py"),
    "an empty folder": lambda app: (app / "custom" / "torch").mkdir(),
    "a removed file": lambda app: (app / "custom" / "package" / "code.py").unlink(),
    "a byte": written("custom/package/code.py"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_differs_from_the_approved_app_is_refused(
    kind: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    HOSTILE[kind](site.app)
    # FLARE by itself deploys it, or the refusal would show nothing.
    job, answer = site.deploy(AppDeployer())
    assert not answer
    assert app_hash(site.kit / job / f"app_{SITE}") == app_hash(site.app)
    job, answer = site.deploy(ApprovedCodeDeployer())
    found = app_hash(site.app)
    assert f"has not approved the app with hash {found}" in answer
    assert str(site.kit) not in answer
    assert not (site.kit / job).exists()
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    said = record.getMessage()
    for part in (job, found, str(site.kit / LIST), "fedgin job approve"):
        assert part in said


def test_the_approved_app_is_deployed_as_it_was_reviewed(site: Site) -> None:
    job, answer = site.deploy(ApprovedCodeDeployer())
    assert not answer
    assert app_hash(site.kit / job / f"app_{SITE}") == site.sha256
    argument(site.app)
    approve(site.kit / LIST, sha256=app_hash(site.app), note="reviewed as well")
    assert not site.deploy(ApprovedCodeDeployer())[1]


@pytest.mark.parametrize("state", ["missing", "malformed", "unreadable", "empty"])
def test_without_a_sound_list_nothing_is_approved(
    state: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    file = site.kit / LIST
    if state == "malformed":
        file.write_text(f"{file.read_text()}*\n")
    elif state == "empty":
        file.write_text("")
    else:
        file.unlink()
        if state == "unreadable":
            file.mkdir()
    job, answer = site.deploy(ApprovedCodeDeployer())
    assert site.sha256 in answer
    assert str(site.kit) not in answer
    assert not (site.kit / job).exists()
    assert str(file) in caplog.text
    assert ("line 4" in caplog.text) == (state == "malformed")


def test_the_list_may_lie_elsewhere(site: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "officer.txt"
    (site.kit / LIST).rename(elsewhere)
    assert site.deploy(ApprovedCodeDeployer())[1]
    assert not site.deploy(ApprovedCodeDeployer(approved_code=str(elsewhere)))[1]


@pytest.mark.parametrize("name", ["local", "startup"])
def test_no_folder_of_the_kit_is_emptied_for_a_job_of_its_name(name: str, site: Site) -> None:
    before = sorted(site.kit.rglob("*"))
    assert "folder that is no run's" in site.deploy(ApprovedCodeDeployer(), job=name)[1]
    assert sorted(site.kit.rglob("*")) == before
    # FLARE by itself deletes it.
    assert not site.deploy(AppDeployer(), job=name)[1]
    assert not (site.kit / LIST).exists() or name != "local"


def test_a_running_job_is_not_deployed_again(site: Site) -> None:
    job, _ = site.deploy(ApprovedCodeDeployer())
    assert "runs already" in site.deploy(ApprovedCodeDeployer(), job=job, running=(job,))[1]
    assert not site.deploy(ApprovedCodeDeployer(), job=job)[1]


def test_a_record_of_another_job_is_refused(site: Site) -> None:
    assert "another job" in site.deploy(ApprovedCodeDeployer(), recorded=str(uuid.uuid4()))[1]


def test_an_entry_that_stands_twice_is_judged_as_it_is_unpacked(site: Site) -> None:
    data = io.BytesIO(zip_directory_to_bytes(str(site.app), ""))
    with zipfile.ZipFile(data, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("custom/package/code.py", "import os\n")
    assert "has not approved" in site.deploy(ApprovedCodeDeployer(), data=data.getvalue())[1]


def test_an_archive_with_a_link_is_refused(site: Site) -> None:
    data = io.BytesIO(zip_directory_to_bytes(str(site.app), ""))
    with zipfile.ZipFile(data, "a") as archive:
        link = zipfile.ZipInfo("custom/link.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/hostname")
    with pytest.raises(ValueError, match="symlink"):  # FLARE answers with the exception
        site.deploy(ApprovedCodeDeployer(), data=data.getvalue())


def test_what_changed_on_the_disk_is_not_launched(site: Site, repository: Path) -> None:
    policy = repository / "site_configs" / "hospital" / "privacy.json"
    shutil.copy(policy, site.kit / "local")
    deployer = ApprovedCodeDeployer()
    job, _ = site.deploy(deployer)
    context = context_of(deployer, site.workspace, job)
    deployer.check_launch({"job_id": job}, context)
    with pytest.raises(RuntimeError, match="another job"):
        deployer.check_launch({"job_id": str(uuid.uuid4())}, context)
    code = site.kit / job / f"app_{SITE}" / "custom" / "package" / "code.py"
    code.write_text("x = 2\n")
    with pytest.raises(RuntimeError, match="has not approved"):
        deployer.check_launch({"job_id": job}, context)
    with pytest.raises(RuntimeError, match="has not approved"):
        RelaunchingLauncher().launch_job({"job_id": job}, context)


def test_a_process_of_approved_code_leaves_no_compiled_modules(site: Site) -> None:
    launcher = RelaunchingLauncher()
    job = str(uuid.uuid4())
    commands = [
        launcher.get_command({}, context_of(deployer, site.workspace, job)).split()
        for deployer in (ApprovedCodeDeployer(), None)
    ]
    assert ["-B" in command[:2] for command in commands] == [True, False]
    assert commands[0][2:] == commands[1][1:]


def test_the_server_s_validator_judges_an_app_in_its_run(site: Site) -> None:
    run = SimpleNamespace(path=site.kit / str(uuid.uuid4()) / "app_server")
    run.path.parent.mkdir()
    site.app.rename(run.path)
    both = FLAppValidator(site_type="server", custom_validators=[ApprovedCodeValidator()])
    error, properties = both.validate(str(run.path))
    assert (error, properties) == ("", {"byoc": True})
    argument(run.path)
    error, _ = both.validate(str(run.path))
    assert app_hash(run.path) in error
