"""The training core does not depend on the Learner: a Client API script drives it as well."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from .conftest import ROUNDS, SimulatedRun, simulate


def client_api_job(quick_job: Path, folder: Path) -> Path:
    """The quick job with the Learner replaced by the script."""
    job = folder / "client_api"
    shutil.copytree(quick_job, job)
    config = job / "app" / "config" / "config_fed_client.json"
    client = json.loads(config.read_text())
    settings = job / "app" / "config" / "training.json"
    client["executors"][0] = {
        "tasks": ["train", "validate"],
        "executor": {
            "path": "nvflare.app_common.executors.client_api_executor.ClientAPIExecutor",
            "args": {
                "execution_mode": "in_process",
                "task_script_path": "client_api_script.py",
                "task_script_args": f"{settings} {folder / 'runs'}",
            },
        },
    }
    client["components"] = []
    config.write_text(json.dumps(client))
    shutil.copy(Path(__file__).with_name("client_api_script.py"), job / "app" / "custom")
    return job


def test_a_client_api_script_gives_the_learner_s_model_bit_for_bit(
    quick_job: Path, phantom_folder: Path, tmp_path: Path, two_threads: SimulatedRun
) -> None:
    run = simulate(
        client_api_job(quick_job, tmp_path),
        tmp_path / "run",
        site_configs=phantom_folder,
        arguments=["-n", "2", "-t", "2"],
    )
    assert run.report["failures"] == [], run.output[-3000:]
    assert len(run.report["contributions"]) == ROUNDS
    ours = torch.load(two_threads.last_model, weights_only=True)["model"]
    theirs = torch.load(run.last_model, weights_only=True)["model"]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(theirs[name], tensor) for name, tensor in ours.items())
