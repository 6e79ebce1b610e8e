"""Filters that `fedgin job export --set` puts into a job."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from nvflare.apis.filter import Filter

from fedgin.errors import ConfigError
from fedgin.jobs.export import export_job, named_classes
from fedgin.jobs.upload import OPTIONAL_CLASSES, UPLOAD_KEYS, set_upload

CLIENT = Path("app/config/config_fed_client.json")


def exported(repository: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    job = export_job(
        repository / "jobs" / "fed_gin_heart", folder / "job", byoc=False, overrides=overrides
    )
    allowed = json.loads((job / "resources.json").read_text())["class_allow_list"]
    assert set(named_classes(job)) <= set(allowed)
    content: dict[str, Any] = json.loads((job / CLIENT).read_text())
    return content


def test_the_default_adds_no_filter(repository: Path, tmp_path: Path) -> None:
    original = json.loads((repository / "jobs" / "fed_gin_heart" / CLIENT).read_text())
    assert exported(repository, tmp_path, "upload_precision=float32") == original


def test_halves_are_made_after_all_other_filters_of_the_job(
    repository: Path, tmp_path: Path
) -> None:
    client = exported(
        repository, tmp_path, "upload_precision=float16", r"keep_local=.*\.bias|norm.*"
    )
    (results,), (data,) = client["task_result_filters"], client["task_data_filters"]
    assert results["tasks"] == ["train"]
    assert data["tasks"] == ["train", "validate"]
    paths = [entry["path"] for entry in (*data["filters"], *results["filters"])]
    assert [path.rsplit(".", 1)[1] for path in paths] == [
        "KeepOwnValues",
        "PartialSharing",
        "HalfPrecisionUpload",
    ]
    for entry in (*data["filters"], *results["filters"]):
        module, name = entry["path"].rsplit(".", 1)
        assert isinstance(getattr(importlib.import_module(module), name)(**entry["args"]), Filter)
        assert entry["args"] in ({}, {"keep_local": r".*\.bias|norm.*"})
    assert set(paths) == set(OPTIONAL_CLASSES)


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("upload_precision=float8", "upload_precision"),
        ("keep_local=(", "regular expression"),
        ("upload_precison=float16", "upload_precision"),
    ],
)
def test_a_wrong_value_or_key_is_refused(
    repository: Path, tmp_path: Path, override: str, found: str
) -> None:
    with pytest.raises(ConfigError, match=found):
        exported(repository, tmp_path, override)


def test_controls_and_arrays_kept_back_do_not_go_together(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scaffold"):
        exported(repository, tmp_path, "algorithm=scaffold", "keep_local=.*bias")


def test_a_job_with_a_chain_of_its_own_is_left_alone() -> None:
    chain = {"tasks": ["train"], "filters": [{"path": "some.Encryptor"}]}
    client = {"task_result_filters": [chain], "task_data_filters": []}
    with pytest.raises(ConfigError, match="of its own"):
        set_upload(client, {"upload_precision": "float16"}, algorithm="fedavg")
    assert client["task_result_filters"] == [chain]


def test_the_keys_collide_with_no_other_setting() -> None:
    from fedgin.jobs.rules import PLACES
    from fedgin.settings import TrainingSettings

    assert not set(UPLOAD_KEYS) & {*TrainingSettings.model_fields, *PLACES}


@pytest.mark.parametrize("expression", ["nothing_matches", "model.0.conv", ".*"])
def test_an_expression_that_keeps_nothing_or_all_is_refused(
    repository: Path, tmp_path: Path, expression: str
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    with pytest.raises(ConfigError, match="whole names of some arrays"):
        export_job(job, tmp_path / "o", byoc=False, overrides=[f"keep_local={expression}"])
    assert not (tmp_path / "o").exists()
