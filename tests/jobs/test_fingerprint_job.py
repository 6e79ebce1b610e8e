"""The fingerprint job, exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plans import make_plan

from fedgin.errors import ConfigError
from fedgin.fingerprint.settings import read_fingerprint_settings
from fedgin.jobs.export import export_job
from fedgin.package import check_package

CONFIG = Path("app/config")
CLASSES = {
    "fedgin.flare.fingerprint.executor.FingerprintExecutor",
    "fedgin.flare.fingerprint.workflow.FingerprintWorkflow",
}


@pytest.fixture
def job(repository: Path) -> Path:
    return repository / "jobs" / "fingerprint"


@pytest.mark.parametrize("byoc", [True, False])
def test_both_forms_with_their_settings(job: Path, tmp_path: Path, byoc: bool) -> None:
    overrides = ["task=abdomen", "spatial_dims=3", "min_clients=2", "answer_timeout=60"]
    out = export_job(job, tmp_path / "out", byoc=byoc, overrides=overrides)
    settings = read_fingerprint_settings(out / CONFIG)
    assert (settings.task, settings.spatial_dims) == ("abdomen", 3)
    server = json.loads((out / CONFIG / "config_fed_server.json").read_text())
    assert (server["min_clients"], server["answer_timeout"]) == (2, 60)
    assert json.loads((out / "meta.json").read_text())["min_clients"] == 2
    assert not (out / CONFIG / "training.json").exists()
    check_package(out / CONFIG)
    if byoc:
        assert (out / "app/custom/fedgin/fingerprint/plan_rules.py").is_file()
    else:
        allowed = set(json.loads((out / "resources.json").read_text())["class_allow_list"])
        assert allowed >= CLASSES
        assert not (out / "app/custom").exists()


def test_the_job_names_no_data_and_carries_no_code(job: Path) -> None:
    assert list(job.rglob("*.py")) == []
    assert "root" not in "".join(file.read_text() for file in job.rglob("*.json"))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("task=lung", "'lung'"),
        ("tsak=heart", "did you mean 'task'"),
        ("spatial_dims=4", "spatial_dims"),
        ("answer_timeout=0", "above 0"),
        ("batch_size=2", "'batch_size'"),
    ],
)
def test_a_wrong_override_is_refused(job: Path, tmp_path: Path, override: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        export_job(job, tmp_path / "out", byoc=True, overrides=[override])
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_it_neither_follows_a_plan_nor_starts_from_a_model(job: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(make_plan().to_text())
    with pytest.raises(ConfigError) as caught:
        export_job(job, tmp_path / "out", byoc=True, plan=file, model=tmp_path)
    assert {problem.where for problem in caught.value.problems} == {"--from", "--plan"}


def test_an_evaluation_follows_no_plan(repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(make_plan().to_text())
    with pytest.raises(ConfigError, match="takes its settings from its model"):
        export_job(repository / "jobs" / "evaluate", tmp_path / "out", byoc=True, plan=file)
