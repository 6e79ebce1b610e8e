"""Training jobs that follow a plan, and what happens when they do not."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plans import VALUES, make_plan

from fedgin.cli.common import settings_from
from fedgin.errors import ConfigError
from fedgin.fingerprint.plan import PLANNED, Plan, read_plan
from fedgin.jobs.export import export_job
from fedgin.settings import read_settings

CONFIG = Path("app/config")


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    return write(tmp_path / "plan.json", make_plan())


def write(file: Path, plan: Plan) -> Path:
    file.write_text(plan.to_text())
    return file


@pytest.fixture
def job(repository: Path) -> Path:
    return repository / "jobs" / "fed_gin_abdomen"


@pytest.fixture
def exported(job: Path, plan_file: Path, tmp_path: Path) -> Path:
    return export_job(job, tmp_path / "out", byoc=False, plan=plan_file)


def training_file(exported: Path) -> Path:
    return exported / CONFIG / "training.json"


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_a_job_carries_its_plan_and_the_settings_that_it_implies(exported: Path, job: Path) -> None:
    assert read_plan(exported / CONFIG / "plan.json") == make_plan()
    content = json.loads(training_file(exported).read_text())
    before = json.loads(training_file(job).read_text())
    assert content["plan"] == {"sha256": make_plan().sha256(), "changed": []}
    assert {key: content[key] for key in PLANNED} == {key: VALUES[key] for key in PLANNED}
    rest = content.keys() - {*PLANNED, "plan"}
    assert {key: content[key] for key in rest} == {
        key: value for key, value in before.items() if key not in PLANNED
    }
    resolved = read_settings(training_file(exported))
    assert resolved.geometry.spacing == (1.5, 1.5, None)
    assert resolved.geometry.patch_size == (128, 96)
    assert resolved.ct_window == (-150.0, 250.0)
    assert resolved.mr_percentile == 99.7


def test_what_is_set_on_purpose_wins_and_is_said(
    job: Path, plan_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        out = export_job(
            job,
            tmp_path / "out",
            byoc=False,
            plan=plan_file,
            overrides=["batch_size=2", "spacing=[1.5,1.5,null]", "learning_rate=0.01"],
        )
    content = json.loads(training_file(out).read_text())
    assert content["batch_size"] == 2
    # The same value as the plan's is no departure, and the learning rate is no matter of a plan.
    assert content["plan"]["changed"] == ["batch_size"]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("batch_size is 2, where the plan ")
    assert said.endswith(" has 6")
    assert read_settings(training_file(out)).geometry.batch_size == 2


def test_a_plan_that_leaves_the_window_leaves_the_task_s(job: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "plan.json", make_plan(ct_window=None, mr_percentile=None))
    resolved = read_settings(training_file(export_job(job, tmp_path / "o", byoc=False, plan=file)))
    assert resolved.ct_window == resolved.task.ct_window
    assert resolved.mr_percentile == 99.5


def test_another_plan_than_the_pinned_one_is_refused(exported: Path) -> None:
    write(exported / CONFIG / "plan.json", make_plan(batch_size=7))
    with pytest.raises(ConfigError) as caught:
        read_settings(training_file(exported))
    assert make_plan().sha256()[:16] in str(caught.value)
    assert make_plan(batch_size=7).sha256()[:16] in str(caught.value)


def test_a_missing_or_a_misspelt_plan_is_refused(exported: Path) -> None:
    file = exported / CONFIG / "plan.json"
    change(file, lambda content: content.update(batchsize=3))
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        read_settings(training_file(exported))
    file.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        read_settings(training_file(exported))


@pytest.mark.parametrize("key", [key for key in PLANNED if key != "spatial_dims"])
def test_settings_that_depart_from_the_plan_unsaid_are_refused(exported: Path, key: str) -> None:
    others = {"ct_window": [0, 100], "mr_percentile": 99, "spacing": [2, 2, None]}
    others |= {"patch_size": [64, 64], "channels": [8, 16], "batch_size": 1}
    change(training_file(exported), lambda content: content.update({key: others[key]}))
    with pytest.raises(ConfigError) as caught:
        read_settings(training_file(exported))
    (problem,) = caught.value.problems
    assert problem.where == f"key '{key}'"
    change(training_file(exported), lambda content: content["plan"].update(changed=[key]))
    assert read_settings(training_file(exported))


def test_all_departures_are_named_together(exported: Path) -> None:
    change(training_file(exported), lambda c: [c.pop(key) for key in ("channels", "ct_window")])
    with pytest.raises(ConfigError) as caught:
        read_settings(training_file(exported))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("plan", "overrides", "words"),
    [
        (make_plan(task="heart", volumes_ml={}), [], ["'task'", "'heart'", "'abdomen'"]),
        (make_plan(), ["spatial_dims=3"], ["'spatial_dims'", "2", "3"]),
        (make_plan(), ["plan.sha256=0"], ["'plan'"]),
        (make_plan(patch_size=[100, 96]), [], ["patch_size", "multiple of 8"]),
    ],
)
def test_a_plan_that_does_not_go_with_the_job_is_refused(
    job: Path, tmp_path: Path, plan: Plan, overrides: list[str], words: list[str]
) -> None:
    file = write(tmp_path / "plan.json", plan)
    with pytest.raises(ConfigError) as caught:
        export_job(job, tmp_path / "out", byoc=False, plan=file, overrides=overrides)
    assert all(word in str(caught.value) for word in words)
    assert not (tmp_path / "out").exists()


def test_a_job_exported_again_keeps_its_plan_and_what_was_changed(
    job: Path, plan_file: Path, tmp_path: Path
) -> None:
    first = export_job(job, tmp_path / "a", byoc=False, plan=plan_file, overrides=["batch_size=2"])
    again = export_job(first, tmp_path / "b", byoc=True, overrides=["channels=[8,16,32]"])
    content = json.loads(training_file(again).read_text())
    assert (content["batch_size"], content["channels"]) == (2, [8, 16, 32])
    assert content["plan"]["changed"] == ["channels", "batch_size"]
    back = export_job(again, tmp_path / "c", byoc=True, overrides=["batch_size=6"])
    assert json.loads(training_file(back).read_text())["plan"]["changed"] == ["channels"]
    assert read_settings(training_file(back)).geometry.channels == (8, 16, 32)


def test_commands_that_use_a_job_s_settings_check_its_plan_too(exported: Path) -> None:
    resolved = settings_from("heart", ["batch_size=3"], exported)
    assert resolved.geometry.batch_size == 3
    assert resolved.training.plan is not None
    assert resolved.training.plan.changed == ("batch_size",)
    (exported / CONFIG / "plan.json").unlink()
    with pytest.raises(ConfigError, match="no such file"):
        settings_from("heart", [], exported)


def test_a_plan_s_hash_is_of_its_content_and_of_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    content = make_plan().model_dump(mode="json")
    file.write_text(json.dumps(dict(reversed(content.items()))))
    assert read_plan(file).sha256() == make_plan().sha256()
    changes: dict[str, Any] = {
        "batch_size": 7,
        "mr_percentile": None,
        "cases": {"CT": 31, "MR": 20},
        "fingerprint": "cd" * 32,
        "notes": ["x"],
    }
    hashes = {make_plan(**{key: value}).sha256() for key, value in changes.items()}
    assert len(hashes | {make_plan().sha256()}) == len(changes) + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": 2},
        {"spacing": [0, 1, 1]},
        {"spacing": [1, 1]},
        {"batch_size": 0},
        {"patch_size": [8, 8]},
        {"fingerprint": "none"},
        {"notes": ["x"] * 51},
    ],
)
def test_a_plan_that_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({**make_plan().model_dump(mode="json"), **wrong}))
    with pytest.raises(ConfigError, match=f"key '{next(iter(wrong))}"):
        read_plan(file)
