"""Exported jobs: what they carry, what they allow, what is refused."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nvflare.app_common.default_component_policy import DEFAULT_CLASS_ALLOW_LIST

import fedgin
from fedgin.errors import ConfigError
from fedgin.jobs.export import export_job
from fedgin.package import check_package, package_hash
from fedgin.settings import read_settings

# Jobs that train; jobs/evaluate has no settings of its own, see test_from_model.py.
JOBS = sorted(
    path.parents[2].name
    for path in Path(__file__).parents[2].glob("jobs/*/app/config/training.json")
)
PACKAGE = Path(fedgin.__file__).parent
CONFIG = Path("app/config")


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "jobs" / str(request.param)


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def tree(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def texts(node: Any, key: str | None = None) -> Iterator[tuple[str | None, str]]:
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from texts(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value, key)


def class_paths(folder: Path) -> set[str]:
    """Every text under `path` in a configuration that looks like a dotted class."""
    return {
        text
        for file in (folder / CONFIG).glob("config_fed_*.json")
        for key, text in texts(read(file))
        if key == "path" and re.fullmatch(r"\w+(\.\w+)+", text)
    }


def test_there_is_a_job() -> None:
    assert "fed_gin_heart" in JOBS


def test_a_job_carries_no_code_and_names_no_absolute_path(job: Path) -> None:
    assert list(job.rglob("*.py")) == []
    for file in job.rglob("*.json"):
        for _, text in texts(read(file)):
            assert not Path(text).is_absolute(), text
            assert not re.match(r"~|[A-Za-z]:\\", text), text


def test_a_jobs_settings_are_valid_and_its_classes_exist(job: Path) -> None:
    assert read_settings(job / CONFIG / "training.json").training.task in ("heart", "abdomen")
    found = class_paths(job)
    assert any(path.startswith("fedgin.") for path in found)
    for path in found:
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), type)


def test_byoc_carries_every_file_of_the_package(job: Path, tmp_path: Path) -> None:
    out = export_job(job, tmp_path / "out", byoc=True)
    sources = {name: digest for name, digest in tree(PACKAGE).items() if not name.endswith(".pyc")}
    assert tree(out / "app" / "custom") == {f"fedgin/{n}": d for n, d in sources.items()}
    stamp = read(out / CONFIG / "package.json")
    assert stamp["version"] == fedgin.__version__
    assert stamp["sha256"] == package_hash(out / "app" / "custom" / "fedgin")
    assert not (out / "resources.json").exists()
    check_package(out / CONFIG)


def test_a_changed_package_is_told_from_the_one_exported(job: Path, tmp_path: Path) -> None:
    out = export_job(job, tmp_path / "out", byoc=True)
    carried = out / "app" / "custom" / "fedgin"
    before = package_hash(carried)
    (carried / "seeding.py").write_text((carried / "seeding.py").read_text() + "\n")
    assert package_hash(carried) != before
    stamp = {"version": "0.0.9", "sha256": package_hash(carried)}
    (out / CONFIG / "package.json").write_text(json.dumps(stamp))
    with pytest.raises(ConfigError, match=r"0\.0\.9"):
        check_package(out / CONFIG)


def test_installed_carries_no_code_and_allows_all_classes_it_names(
    job: Path, tmp_path: Path
) -> None:
    out = export_job(job, tmp_path / "out", byoc=False)
    assert not (out / "app" / "custom").exists()
    assert list(out.rglob("*.py")) == []
    allowed = read(out / "resources.json")["class_allow_list"]
    assert class_paths(out) <= set(allowed)
    assert set(DEFAULT_CLASS_ALLOW_LIST) <= set(allowed)
    extra = set(allowed) - set(DEFAULT_CLASS_ALLOW_LIST)
    assert extra <= class_paths(out)
    check_package(out / CONFIG)


@pytest.mark.parametrize("byoc", [True, False])
def test_the_rest_of_the_job_is_copied_and_the_source_untouched(
    job: Path, tmp_path: Path, byoc: bool
) -> None:
    before = tree(job)
    out = export_job(job, tmp_path / "out", byoc=byoc, overrides=["num_rounds=7"])
    assert tree(job) == before
    for name in ("meta.json", "app/config/config_fed_client.json"):
        assert read(out / name) == read(job / name)
    copied = {name for name in tree(out) if not name.startswith("app/custom/")}
    kept = {name for name in before if not name.startswith("app/custom/")}
    added = {"app/config/package.json"} | (set() if byoc else {"resources.json"})
    assert copied == kept | added


def test_overrides_reach_the_settings_and_the_server(job: Path, tmp_path: Path) -> None:
    overrides = [
        "num_rounds=7",
        "augmentation=none",
        "gin.probability=0.25",
        "patch_size=[64,64]",
        "learning_rate=1e-3",
    ]
    out = export_job(job, tmp_path / "out", byoc=False, overrides=overrides)
    server = read(job / CONFIG / "config_fed_server.json")
    assert read(out / CONFIG / "config_fed_server.json") == {**server, "num_rounds": 7}
    training = read_settings(out / CONFIG / "training.json").training
    before = read_settings(job / CONFIG / "training.json").training
    assert training.augmentation == "none"
    assert training.gin.probability == 0.25
    assert training.gin.layers == before.gin.layers
    assert training.patch_size == (64, 64)
    assert training.learning_rate == 1e-3
    assert training.task == before.task


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("num_round=7", "did you mean 'num_rounds'"),
        ("augmentatoin=none", "did you mean 'augmentation'"),
        ("gin.probabilty=0.5", "did you mean 'probability'"),
        ("format_version=3", "'format_version'"),
        ("num_rounds=many", "must be a whole number above 0"),
        ("num_rounds=2.5", "must be a whole number above 0"),
        ("num_rounds=true", "must be a whole number above 0"),
        ("steps_per_round=few", "steps_per_round"),
        ("steps_per_round=0", "steps_per_round"),
        ("augmentation=magic", "augmentation"),
        ("task=lung", "'lung'"),
        ("patch_size=[50,50]", "multiple of"),
        ("num_rounds", "key=value"),
        ("weighting=size", "weighting"),
        ("max_weight_share=0", "max_weight_share"),
        ("max_weight_share=1.01", "max_weight_share"),
        ("max_weight_share=true", "max_weight_share"),
        ("min_sites.pet=1", "'pet'"),
        ("min_sites.ct=-1", "min_sites.ct"),
        ("min_sites.ct=1.5", "min_sites.ct"),
        ("min_sites=2", "min_sites"),
        ("min_site.ct=2", "did you mean 'min_sites'"),
    ],
)
def test_a_wrong_override_is_refused_and_nothing_written(
    override: str, words: str, repository: Path, tmp_path: Path
) -> None:
    source = repository / "jobs" / "fed_gin_heart"
    with pytest.raises(ConfigError) as caught:
        export_job(source, tmp_path / "out", byoc=True, overrides=[override])
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_all_wrong_keys_are_named_together(repository: Path, tmp_path: Path) -> None:
    source = repository / "jobs" / "fed_gin_heart"
    overrides = ["num_round=7", "augmentatoin=none", "min_clients=two"]
    with pytest.raises(ConfigError) as caught:
        export_job(source, tmp_path / "out", byoc=True, overrides=overrides)
    assert len(caught.value.problems) == 3


def test_a_folder_in_use_is_refused_and_left_alone(repository: Path, tmp_path: Path) -> None:
    source = repository / "jobs" / "fed_gin_heart"
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="new or empty"):
        export_job(source, tmp_path, byoc=True)
    assert tree(tmp_path) == {"mine.txt": hashlib.sha256(b"precious").hexdigest()}
    with pytest.raises(ConfigError, match="new or empty"):
        export_job(source, tmp_path / "mine.txt", byoc=True)


def test_an_empty_folder_is_filled(repository: Path, tmp_path: Path) -> None:
    out = export_job(repository / "jobs" / "fed_gin_heart", tmp_path, byoc=True)
    assert (out / "meta.json").is_file()


def test_an_output_inside_the_job_is_refused(repository: Path, tmp_path: Path) -> None:
    source = export_job(repository / "jobs" / "fed_gin_heart", tmp_path / "job", byoc=False)
    before = tree(source)
    with pytest.raises(ConfigError, match="must not lie in the job"):
        export_job(source, source / "copy", byoc=True)
    assert tree(source) == before


def test_a_folder_that_is_no_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"meta\.json"):
        export_job(tmp_path, tmp_path / "out", byoc=True)


def test_the_scheduler_waits_for_as_many_sites_as_the_rounds(
    repository: Path, tmp_path: Path
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    export_job(job, tmp_path / "job", byoc=False, overrides=["min_clients=3"])
    assert read(tmp_path / "job" / "meta.json") == {**read(job / "meta.json"), "min_clients": 3}


def arguments_of(job: Path, component_id: str) -> dict[str, Any]:
    components = read(job / CONFIG / "config_fed_server.json")["components"]
    (found,) = (c["args"] for c in components if c["id"] == component_id)
    arguments: dict[str, Any] = found
    return arguments


def test_the_server_s_rules_reach_its_components(job: Path, tmp_path: Path) -> None:
    assert arguments_of(job, "quorum")["min_sites"] == {"ct": 1, "mr": 1}
    overrides = ["weighting=equal_per_modality", "max_weight_share=0.5", "min_sites.ct=2"]
    out = export_job(job, tmp_path / "out", byoc=False, overrides=overrides)
    assert arguments_of(out, "quorum")["min_sites"] == {"ct": 2, "mr": 1}
    aggregator = arguments_of(out, "aggregator")
    assert aggregator["weighting"] == "equal_per_modality"
    assert aggregator["max_weight_share"] == 0.5
    assert aggregator.get("spool_above_mb") == arguments_of(job, "aggregator").get("spool_above_mb")
    # A rule that is not named keeps the value that an export before this one gave it.
    again = export_job(out, tmp_path / "again", byoc=False, overrides=["min_sites.mr=0"])
    assert arguments_of(again, "quorum")["min_sites"] == {"ct": 2, "mr": 0}
    assert arguments_of(again, "aggregator") == aggregator


def test_the_quorum_looks_after_the_record_and_before_the_best_model_is_chosen(job: Path) -> None:
    components = read(job / CONFIG / "config_fed_server.json")["components"]
    order = [component["id"] for component in components]
    assert order.index("record") < order.index("quorum") < order.index("selector")


def test_a_rule_that_the_job_cannot_keep_is_refused(job: Path, tmp_path: Path) -> None:
    bare = export_job(job, tmp_path / "bare", byoc=False)
    file = bare / CONFIG / "config_fed_server.json"
    server = read(file)
    server["components"] = [c for c in server["components"] if c["id"] != "quorum"]
    file.write_text(json.dumps(server))
    with pytest.raises(ConfigError, match="ModalityQuorum"):
        export_job(bare, tmp_path / "out", byoc=False, overrides=["min_sites.ct=2"])


def test_every_job_becomes_three_dimensional_by_one_word(job: Path, tmp_path: Path) -> None:
    out = export_job(job, tmp_path / "out", byoc=True, overrides=["spatial_dims=3"])
    found = read_settings(out / CONFIG / "training.json")
    assert found.geometry == found.task.geometry[3]
    own = read(job / CONFIG / "training.json")
    kept = {key: value for key, value in own.items() if key not in ("channels", "spatial_dims")}
    assert read(out / CONFIG / "training.json") == {**kept, "spatial_dims": 3}


@pytest.mark.parametrize("network", ["unet", "dynunet"])
def test_a_job_whose_patch_is_for_slices_becomes_three_dimensional(
    repository: Path, tmp_path: Path, network: str
) -> None:
    source = repository / "jobs" / "fed_gin_abdomen"
    flat = export_job(
        source, tmp_path / "flat", byoc=False, overrides=["patch_size=[160,160]", "batch_size=12"]
    )
    over = ["spatial_dims=3", f"network={network}", "batch_size=1"]
    out = export_job(flat, tmp_path / "out", byoc=False, overrides=over)
    found = read_settings(out / CONFIG / "training.json")
    assert found.geometry.patch_size == found.task.geometry[3].patch_size
    assert found.geometry.batch_size == 1  # the user's own
    assert found.training.network == network
