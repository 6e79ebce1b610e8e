"""The workflow follows the algorithm, in both directions, and nothing else changes."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from fedgin.errors import ConfigError
from fedgin.jobs.export import export_job
from fedgin.jobs.workflow import set_workflow
from fedgin.package import check_package

SERVER = Path("app/config/config_fed_server.json")


def server(job: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((job / SERVER).read_text())
    return content


def class_of(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("byoc", [True, False])
def test_scaffold_brings_its_workflow_and_the_way_back(
    repository: Path, tmp_path: Path, byoc: bool
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    there = export_job(job, tmp_path / "a", byoc=byoc, overrides=["algorithm=scaffold"])
    workflow = server(there)["workflows"][0]
    assert class_of(workflow["path"]).__name__ == "ResumableScaffold"
    assert (
        workflow["args"].keys() <= inspect.signature(class_of(workflow["path"])).parameters.keys()
    )
    assert workflow["args"] == server(job)["workflows"][0]["args"]
    (aggregator,) = (c for c in server(there)["components"] if c["id"] == "aggregator")
    assert class_of(aggregator["path"])(**aggregator["args"])
    assert aggregator["args"]["controls"] is True
    if not byoc:
        allowed = json.loads((there / "resources.json").read_text())["class_allow_list"]
        assert workflow["path"] in allowed
    check_package(there / "app/config")
    back = export_job(there, tmp_path / "b", byoc=byoc, overrides=["algorithm=fedavg"])
    assert server(back) == server(job)


@pytest.mark.parametrize("algorithm", ["fedavg", "fedprox", "fedbn"])
def test_other_algorithms_keep_the_plain_workflow(repository: Path, algorithm: str) -> None:
    before = server(repository / "jobs" / "fed_gin_heart")
    after = json.loads(json.dumps(before))
    set_workflow(after, algorithm=algorithm)
    assert after == before


def test_a_configuration_with_a_workflow_of_its_own_keeps_it() -> None:
    own = {"workflows": [{"path": "a.B"}], "components": [{"path": "c.D", "args": {"x": 1}}]}
    set_workflow(own, algorithm="scaffold")
    assert own == {
        "workflows": [{"path": "a.B"}],
        "components": [{"path": "c.D", "args": {"x": 1}}],
    }


def test_fedbn_without_values_to_keep_is_refused_before_anything_is_sent(
    repository: Path, tmp_path: Path
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    with pytest.raises(ConfigError, match=r"normalization.*batch"):
        export_job(job, tmp_path / "out", byoc=True, overrides=["algorithm=fedbn"])
    assert not (tmp_path / "out").exists()
    overrides = ["algorithm=fedbn", "normalization=batch"]
    assert export_job(job, tmp_path / "out", byoc=True, overrides=overrides).is_dir()
