"""The folders that participants copy: they load, agree with the jobs, and keep logs at home."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nvflare.app_common.default_component_policy import DEFAULT_CLASS_ALLOW_LIST

from fedgin.approval.approved_list import APPROVED_FILE, read_approved
from fedgin.config import parse, read_mapping
from fedgin.doctor.approval import COMPONENT, DEPLOYER
from fedgin.flare.approval import ApprovedCodeDeployer, ApprovedCodeValidator
from fedgin.flare.ledger import LedgerKeeper
from fedgin.jobs.export import named_classes
from fedgin.jobs.upload import OPTIONAL_CLASSES
from fedgin.sites.schema import SiteConfig
from fedgin.sites.server_file import ServerConfig

HOSPITALS = ("hospital", "closed_hospital")
KINDS = (*HOSPITALS, "server")


def full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def read(repository: Path, kind: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((repository / "site_configs" / kind / name).read_text())
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_the_allow_list_holds_flare_s_own_and_every_class_of_our_jobs(
    repository: Path, kind: str
) -> None:
    needed = {*DEFAULT_CLASS_ALLOW_LIST, *OPTIONAL_CLASSES}
    for job in (repository / "jobs").iterdir():
        needed |= set(named_classes(job))
    resources = read(repository, kind, "resources.json")
    assert set(resources["class_allow_list"]) == needed
    assert resources["class_list_enforcement_mode"] == "enforce"


@pytest.mark.parametrize("kind", HOSPITALS)
def test_no_log_is_streamed_and_killed_processes_are_replaced(repository: Path, kind: str) -> None:
    resources = read(repository, kind, "resources.json")
    assert resources["allow_log_streaming"] is False
    paths = {component["id"]: component["path"] for component in resources["components"]}
    assert paths["process_launcher"] == "fedgin.flare.launcher.RelaunchingLauncher"
    assert not [path for path in paths.values() if "log" in path.lower()]


def test_no_configuration_of_a_site_or_job_streams_logs(repository: Path) -> None:
    folders = (repository / "site_configs", repository / "jobs", repository / "poc")
    files = [file for folder in folders for file in folder.rglob("*.json")]
    assert len(files) > 12
    for file in files:
        components = json.loads(file.read_text()).get("components", [])
        named = [each for each in components if "LogStreamer" in each.get("path", "")]
        assert not named, file


@pytest.mark.parametrize("kind", HOSPITALS)
def test_a_ledger_is_kept_by_a_component_of_the_site(repository: Path, kind: str) -> None:
    policy = read(repository, kind, "privacy.json")
    assert policy["scopes"], "without scopes FLARE ignores the components"
    (keeper,) = [each for each in policy["components"] if "ledger" in each["path"]]
    assert keeper["path"] == f"{LedgerKeeper.__module__}.{LedgerKeeper.__name__}"


def test_the_server_stores_nothing_in_a_folder_that_a_restart_empties(repository: Path) -> None:
    text = (repository / "site_configs" / "server" / "resources.json").read_text()
    text += (repository / "site_configs" / "server" / "server.yaml").read_text()
    assert "/tmp" not in text
    assert text.count("/var/lib/fedgin/") == 3  # jobs, snapshots, checkpoints


def test_only_the_closed_hospital_refuses_code(repository: Path) -> None:
    for kind in KINDS:
        permissions = read(repository, kind, "authorization.json")["permissions"]
        byoc = {permissions[role]["byoc"] for role in ("project_admin", "lead")}
        assert byoc == ({"none"} if kind == "closed_hospital" else {"any"}), kind


def test_only_the_closed_hospital_approves_code(repository: Path) -> None:
    for kind in KINDS:
        components = read(repository, kind, "resources.json")["components"]
        named = {component["id"]: component["path"] for component in components}
        on = named.get("app_deployer") == full_name(ApprovedCodeDeployer)
        assert on == (kind == "closed_hospital"), kind
    # As it is copied, nothing is approved.
    assert not read_approved(repository / "site_configs" / "closed_hospital" / APPROVED_FILE)


def test_the_doctor_looks_for_the_component_by_its_name() -> None:
    assert full_name(ApprovedCodeDeployer) == DEPLOYER


def test_the_readme_s_components_are_those_of_the_package(repository: Path) -> None:
    readme = (repository / "site_configs" / "README.md").read_text()
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", readme, re.DOTALL)]
    (component,) = [block for block in shown if block.get("id") == "app_deployer"]
    shipped = read(repository, "closed_hospital", "resources.json")["components"]
    assert component in shipped
    (server,) = [block["app_validator"] for block in shown if "app_validator" in block]
    assert server["path"] == full_name(ApprovedCodeValidator)
    assert ApprovedCodeValidator(**server["args"])


def test_hospitals_differ_in_nothing_else(repository: Path) -> None:
    for name in ("resources.json", "privacy.json", "log_config.json"):
        first, second = (read(repository, kind, name) for kind in HOSPITALS)
        if name == "resources.json":
            second["components"] = [
                component for component in second["components"] if component["id"] != COMPONENT
            ]
        assert first == second, name


def test_yaml_files_obey_the_schema(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGIN_STORAGE", "/storage")
    folder = repository / "site_configs"
    sites = [folder / kind / "site.yaml" for kind in HOSPITALS]
    sites += sorted((repository / "poc" / "sites").glob("*.yaml"))
    assert len(sites) == 5
    modalities = [parse(SiteConfig, read_mapping(f), where=str(f)).modality for f in sites]
    assert modalities == ["CT", "MR", "CT", "CT", "MR"]
    file = folder / "server" / "server.yaml"
    assert parse(ServerConfig, read_mapping(file), where=str(file)).checkpoints


@pytest.mark.parametrize(
    "path",
    [
        "federation/fedgin/prod_00/hospital-a/startup/client.key",
        "federation/fedgin/state/cert.json",
        "federation/storage/checkpoints/a/after-round-00001.ckpt",
        "poc_demo/result/report.json",
        "simulator_workspace/server/simulate_job/report.json",
        "poc/provision/client.key",
        "custom/rootCA.pem",
        "anywhere/model.pt",
        "anywhere/scan.nii.gz",
        "anywhere/after-round-00001.ckpt",
        "anywhere/model.safetensors",
    ],
)
def test_kits_keys_models_and_scans_never_reach_git(repository: Path, path: str) -> None:
    if not (repository / ".git").exists():
        pytest.skip("this is no checkout")
    ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=repository, check=False)
    assert ignored.returncode == 0
