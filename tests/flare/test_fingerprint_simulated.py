"""A whole fingerprint job in FLARE's simulator, in the form for sites that bring no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedgin.fingerprint.plan import read_plan
from fedgin.fingerprint.rehearsal import rehearse
from fedgin.fingerprint.settings import FingerprintSettings
from fedgin.jobs.export import CONFIG, RESOURCES_FILE, export_job
from fedgin.ledger.book import ledger_file, read
from fedgin.settings import read_settings
from fedgin.sites.lookup import load_sites

from .conftest import SimulatedRun, simulate

pytestmark = pytest.mark.slow

LEDGER = "fedgin.flare.ledger.LedgerKeeper"
UNFILTERED = {
    "scopes": [
        {"name": "open", "properties": {}, "task_data_filters": [], "task_result_filters": []}
    ],
    "default_scope": "open",
}
ERROR = "EXECUTION_EXCEPTION"
EXACT, FEW, BROKEN = ("site-1", "site-2"), "few", "broken"


def write_site(folder: Path, name: str, protocol: str, modality: str = "CT", **more: Any) -> None:
    dataset = {"kind": "phantom", "protocol": protocol, "seed": len(name), "cases": 3}
    content = {"modality": modality, "dataset": dataset, "device": "cpu", "threads": 1, **more}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fingerprint_sites")
    write_site(folder, "site-1", "arterial")
    write_site(folder, "site-2", "bssfp", "MR")
    write_site(folder, FEW, "native", fingerprint={"smallest_count": 5})
    write_site(folder, BROKEN, "Mustermann")
    return folder


def put_scope(job: Path, policy: dict[str, Any], name: str) -> None:
    """Gives the job the filters of a hospital's scope, which the simulator's clients lack."""
    (scope,) = (part for part in policy["scopes"] if part["name"] == name)
    client, allowed = job / CONFIG / "config_fed_client.json", job / RESOURCES_FILE
    content, resources = json.loads(client.read_text()), json.loads(allowed.read_text())
    for chain, direction in (("task_data_filters", "in"), ("task_result_filters", "out")):
        filters = [each for each in scope[chain] if each["direction"] == direction]
        content[chain] = [{"tasks": ["fingerprint"], "filters": filters}]
        resources["class_allow_list"] += [each["path"] for each in filters]
    resources["class_allow_list"].append(LEDGER)
    client.write_text(json.dumps(content))
    allowed.write_text(json.dumps(resources))


@pytest.fixture(scope="module")
def run(repository: Path, configs: Path, tmp_path_factory: pytest.TempPathFactory) -> SimulatedRun:
    folder = tmp_path_factory.mktemp("fingerprint_run")
    job = export_job(repository / "jobs" / "fingerprint", folder / "job", byoc=False)
    file = repository / "site_configs" / "hospital" / "privacy.json"
    put_scope(job, json.loads(file.read_text()), "standard")
    # The simulator's server reads this file, too: of its scopes none filters anything.
    policy = folder / "privacy.json"
    ledger = {"id": "fedgin_ledger", "path": LEDGER, "args": {}}
    policy.write_text(json.dumps({**UNFILTERED, "components": [ledger]}))
    return simulate(
        job,
        folder,
        site_configs=configs,
        arguments=["-c", ",".join([*EXACT, FEW, BROKEN]), "-t", "4"],
        resources=job / RESOURCES_FILE,
        local_files=[policy],
    )


def test_the_plan_is_that_of_the_same_cases_counted_at_home(
    run: SimulatedRun, configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = read_plan(run.server / "plan.json")
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(configs))
    at_home = rehearse(load_sites(EXACT), FingerprintSettings(task="heart"))
    assert plan == at_home.exact_plan, run.output[-3000:]
    document = json.loads((run.server / "fingerprint.json").read_text())
    assert document["modalities"] == at_home.exact.document()["modalities"]


def test_every_site_is_named_with_what_came_of_it(run: SimulatedRun) -> None:
    sites = json.loads((run.server / "fingerprint.json").read_text())["sites"]
    assert {name: told["status"] for name, told in sites.items()} == {
        "site-1": "sent",
        "site-2": "sent",
        FEW: "too few",
        BROKEN: "refused",
    }
    assert sites[BROKEN]["reason"] == f"{BROKEN} answered EXECUTION_EXCEPTION"
    assert sites[FEW]["cases"] == {}
    assert "=== fingerprint of task heart, 2D: incomplete ===" in run.output
    assert f"{FEW}: too few patients, nothing sent" in run.output
    plan = read_plan(run.server / "plan.json")
    assert f"Plan {plan.sha256()[:16]}" in run.output


def test_a_refusal_s_words_stay_at_the_site(run: SimulatedRun) -> None:
    files = [file for file in run.server.rglob("*") if file.is_file()]
    assert files
    assert all(b"Mustermann" not in file.read_bytes() for file in files)
    logs = (run.workspace / BROKEN).rglob("log.txt")
    assert any("Mustermann" in file.read_text() for file in logs)


def test_what_left_is_in_each_site_s_ledger(run: SimulatedRun) -> None:
    filters = ("UpdateGuard", "ClipUpdate", "PercentileSharing")
    for site, code in (*((name, "OK") for name in (*EXACT, FEW)), (BROKEN, ERROR)):
        found = read(ledger_file(run.workspace / site / "ledger", site)).entries
        (answer,) = [entry for entry in found if entry.event == "answer"]
        assert (answer.task, answer.code, answer.filters) == ("fingerprint", code, filters)
        assert (answer.kind, answer.arrays) == ("METRICS" if code == "OK" else None, 0)
        # A count is 8 bytes, and a site with few patients sends none.
        assert ((answer.bytes or 0) > 8 * 500) == (site in EXACT)


def test_a_training_job_follows_the_plan(
    run: SimulatedRun, repository: Path, tmp_path: Path
) -> None:
    file = run.server / "plan.json"
    job = export_job(repository / "jobs" / "fed_gin_heart", tmp_path / "job", byoc=False, plan=file)
    settings = read_settings(job / CONFIG / "training.json")
    plan = read_plan(file)
    assert settings.geometry.patch_size == plan.patch_size
    assert settings.ct_window == plan.ct_window
    assert settings.training.plan is not None
    assert settings.training.plan.sha256 == plan.sha256()
