"""The apps of a job: each has its own hash, and a site gets one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from app_trees import brute_force, write_tree

from fedgin.approval.job_apps import app_for_site, job_apps
from fedgin.errors import ConfigError, FedginError

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
