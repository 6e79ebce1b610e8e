"""Real FLARE runs, made once per session and shared by the tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedgin.jobs.export import export_job
from made_once import made_once

QUICK = (
    "channels=[8,16,32]",
    "patch_size=[64,64]",
    "spacing=[5.0,5.0,null]",
    "batch_size=4",
    "steps_per_round=4",
)
ROUNDS = 2


@dataclass(frozen=True)
class SimulatedRun:
    """What a simulator run left behind."""

    workspace: Path
    output: str

    @property
    def server(self) -> Path:
        """The server's run folder."""
        return self.workspace / "server" / "simulate_job"

    @property
    def report(self) -> dict[str, Any]:
        """The report that the server wrote."""
        report: dict[str, Any] = json.loads((self.server / "report.json").read_text())
        return report

    @property
    def last_model(self) -> Path:
        """The last global model."""
        return self.server / "app_server" / "FL_global_model.pt"


def simulate(
    job: Path,
    folder: Path,
    *,
    site_configs: Path,
    arguments: Sequence[str] = (),
    resources: Path | None = None,
    local_files: Sequence[Path] = (),
    timeout: int = 400,
) -> SimulatedRun:
    """Runs `nvflare simulator` in a home and a workspace of its own."""
    workspace = folder / "workspace"
    (workspace / "local").mkdir(parents=True)
    if resources is not None:
        shutil.copyfile(resources, workspace / "local" / "resources.json")
    for file in local_files:
        shutil.copy(file, workspace / "local")
    (folder / "home").mkdir()
    started_in = folder / "started_in"
    started_in.mkdir()
    environment = {
        **os.environ,
        "HOME": str(folder / "home"),
        "PWD": str(started_in),
        "FEDGIN_SITE_CONFIGS": str(site_configs),
    }
    result = subprocess.run(
        [
            *(sys.executable, "-m", "nvflare.cli", "simulator", str(job), "-w", str(workspace)),
            *arguments,
        ],
        cwd=started_in,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return SimulatedRun(workspace=workspace, output=result.stdout)


@pytest.fixture(scope="session")
def quick_job(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The heart job with a small network and two short rounds, code included."""
    return export_job(
        repository / "jobs" / "fed_gin_heart",
        tmp_path_factory.mktemp("job") / "quick_heart",
        byoc=True,
        overrides=[*QUICK, f"num_rounds={ROUNDS}"],
    )


@pytest.fixture(scope="session")
def two_threads(
    quick_job: Path, phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """A run in which both sites keep their processes."""
    return made_once(
        tmp_path_factory,
        "two_threads",
        lambda folder: simulate(
            quick_job, folder, site_configs=phantom_folder, arguments=["-n", "2", "-t", "2"]
        ),
    )


@pytest.fixture(scope="session")
def one_thread(
    quick_job: Path, phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedRun:
    """The same run with FLARE's default: a new process for every task."""
    return made_once(
        tmp_path_factory,
        "one_thread",
        lambda folder: simulate(quick_job, folder, site_configs=phantom_folder),
    )
