"""The apps of a job: each has its own hash, and a site gets one of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from app_trees import brute_force, write_tree
from cryptography.hazmat.primitives.asymmetric import rsa
from nvflare.lighter.utils import sign_folders
from nvflare.tool.job import job_cli

from fedgin.approval.job_apps import app_for_site, job_apps
from fedgin.errors import ConfigError, FedginError
from fedgin.jobs.export import add_code

SERVER, CLIENT = {"config/a.json": b"1"}, {"config/a.json": b"2", "custom/x.py": b""}


def make_job(folder: Path, deploy_map: Any) -> Path:
    write_tree(folder / "job" / "app_server", SERVER)
    write_tree(folder / "job" / "app_client", CLIENT)
    (folder / "job" / "meta.json").write_text(json.dumps({"deploy_map": deploy_map}))
    return folder / "job"


def test_each_app_has_its_own_hash(tmp_path: Path) -> None:
    job = make_job(
        tmp_path,
        {"app_server": ["server"], "app_client": [{"sites": ["hospital-a"]}, "hospital-b"]},
    )
    server, client = job_apps(job)
    assert (server.name, server.sites) == ("app_server", ("server",))
    assert (client.name, client.sites) == ("app_client", ("hospital-a", "hospital-b"))
    assert (server.sha256, client.sha256) == (brute_force(SERVER), brute_force(CLIENT))
    assert app_for_site([server, client], "hospital-b") is client
    assert app_for_site([server, client], "server") is server
    for site in (None, "hospital-z"):
        with pytest.raises(FedginError, match="app_server for server"):
            app_for_site([server, client], site)


def test_a_job_for_everybody_needs_no_site(tmp_path: Path) -> None:
    apps = job_apps(make_job(tmp_path, {"app_client": ["@all"]}))
    assert app_for_site(apps, None) == app_for_site(apps, "anyone") == apps[0]


@pytest.mark.parametrize(
    "deploy_map",
    [
        None,
        {},
        [],
        "app",
        {"../job/app_client": ["@ALL"]},
        {"": ["@ALL"]},
        {"..": ["@ALL"]},
        {"none": ["@ALL"]},
        {"app_client": [7]},
        {"app_client": {"other": ["a"]}},
    ],
)
def test_what_is_no_job_is_refused(deploy_map: Any, tmp_path: Path) -> None:
    with pytest.raises(FedginError):
        job_apps(make_job(tmp_path, deploy_map))


def test_a_folder_without_meta_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"meta\.json"):
        job_apps(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [('{\n  "a": 1\n}\n', False), ('{"a": 1}\n', True), ('{\n  "a": 1\n}', True), ("a = 1", True)],
)
def test_a_file_that_flare_rewrites_is_told(text: str, told: bool, tmp_path: Path) -> None:
    job = make_job(tmp_path, {"app_client": ["@ALL"]})
    (job / "app_client/config/config_fed_client.json").write_text(text)
    (app,) = job_apps(job)
    assert app.rewritten == (("config/config_fed_client.json",) if told else ())


JOBS = sorted(path.name for path in (Path(__file__).parents[2] / "jobs").iterdir())


@pytest.mark.parametrize("name", JOBS)
def test_flare_s_submission_leaves_an_exported_job_s_hash_as_it_is(
    name: str, repository: Path, tmp_path: Path
) -> None:
    job = tmp_path / "submitted"
    shutil.copytree(repository / "jobs" / name, job)
    add_code(job, byoc=False)
    (before,) = job_apps(job)
    assert not before.rewritten
    # `nvflare job submit` reads and writes the configurations in its copy of the job.
    copied = Path(shutil.copytree(job, tmp_path / "copied"))
    arguments = SimpleNamespace(job_folder=str(job), config_file=None)
    job_cli.prepare_job_config(arguments, ["app"], str(copied))
    written = copied / "app/config/config_fed_client.json"
    assert written.stat().st_mtime_ns > (job / "app/config" / written.name).stat().st_mtime_ns
    # Then it is signed.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    sign_folders(str(copied), key)
    assert (copied / "app/config/.__nvfl_sig.json").is_file()
    (after,) = job_apps(copied)
    assert after.sha256 == before.sha256


def test_flare_s_submission_changes_a_job_that_was_not_exported(
    repository: Path, tmp_path: Path
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    copied = Path(shutil.copytree(job, tmp_path / "copied"))
    arguments = SimpleNamespace(job_folder=str(job), config_file=None)
    job_cli.prepare_job_config(arguments, ["app"], str(copied))
    (before,), (after,) = job_apps(job), job_apps(copied)
    assert before.sha256 != after.sha256
    assert before.rewritten
