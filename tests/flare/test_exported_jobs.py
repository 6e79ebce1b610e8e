"""Both deployable forms of a job run; a job refuses other code than it was exported with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fedgin.jobs.export import RESOURCES_FILE, export_job

from .conftest import QUICK, simulate

TWO = ["-n", "2", "-t", "2"]


@pytest.fixture(scope="module")
def installed_job(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The heart job for sites that installed the package, one short round."""
    return export_job(
        repository / "jobs" / "fed_gin_heart",
        tmp_path_factory.mktemp("installed") / "heart",
        byoc=False,
        overrides=[*QUICK, "num_rounds=1", "augmentation=none"],
    )


def test_a_site_that_closed_byoc_runs_the_installed_form_with_its_allow_list(
    installed_job: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    run = simulate(
        installed_job,
        tmp_path,
        site_configs=phantom_folder,
        arguments=TWO,
        resources=installed_job / RESOURCES_FILE,
    )
    assert run.report["failures"] == [], run.output[-3000:]
    assert "augmentation none" in run.report["title"]


def test_without_the_allow_list_the_installed_form_is_refused(
    installed_job: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    run = simulate(installed_job, tmp_path, site_configs=phantom_folder, arguments=TWO)
    assert not (run.server / "app_server" / "FL_global_model.pt").exists()
    assert "fedgin.flare" in run.output


def test_a_job_with_another_package_hash_is_refused_naming_both(
    quick_job: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    job = tmp_path / "other_code"
    shutil.copytree(quick_job, job)
    stamp = job / "app" / "config" / "package.json"
    real = json.loads(stamp.read_text())
    stamp.write_text(json.dumps({**real, "sha256": "0" * 64}))
    run = simulate(job, tmp_path / "run", site_configs=phantom_folder, arguments=TWO)
    assert "hash 0000000000000000" in run.output
    assert f"hash {real['sha256'][:16]}" in run.output
    assert not (run.server / "app_server" / "FL_global_model.pt").exists()
