"""Jobs exported with a released model: to start from it, or to measure it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgin.errors import ConfigError, FedginError
from fedgin.jobs.export import export_job
from fedgin.package import check_package
from fedgin.release.from_record import whole_settings
from fedgin.release.model_file import read_release
from fedgin.settings import ResolvedSettings, make_settings, read_settings
from released_models import change_card, release_into

CONFIG = Path("app/config")
QUICK = ("channels=[8,16,32]", "patch_size=[64,64]", "spacing=[5.0,5.0,null]")


@pytest.fixture
def model(quick: ResolvedSettings, tmp_path: Path) -> Path:
    return release_into(tmp_path / "release", quick)


def refused(job: Path, model: Path | None, folder: Path, *overrides: str) -> str:
    with pytest.raises(FedginError) as caught:
        export_job(job, folder, byoc=True, overrides=overrides, model=model)
    assert not folder.exists()
    return str(caught.value)


# ---------------------------------------------------------------- start from a model


@pytest.mark.parametrize("named", [".", "model.safetensors"])
def test_a_job_carries_the_model_and_is_else_the_same(
    repository: Path, model: Path, tmp_path: Path, named: str
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    out = export_job(job, tmp_path / "a", byoc=True, overrides=QUICK, model=model / named)
    plain = export_job(job, tmp_path / "b", byoc=True, overrides=QUICK)
    assert read_release(out / CONFIG / "start").content == read_release(model).content
    for file in ("training.json", "config_fed_server.json", "config_fed_client.json"):
        assert (out / CONFIG / file).read_bytes() == (plain / CONFIG / file).read_bytes()
    check_package(out / CONFIG)


def test_what_leaves_the_network_as_it_is_may_differ(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    overrides = [QUICK[0], "augmentation=none", "spacing=[3,3,null]", "learning_rate=0.0001"]
    job = repository / "jobs" / "fed_gin_heart"
    assert export_job(job, tmp_path / "a", byoc=False, overrides=overrides, model=model).is_dir()


@pytest.mark.parametrize(
    ("job", "overrides", "words"),
    [
        ("fed_gin_heart", [], ["[16,32,64,128]", "[8,16,32]", "--set channels=[8,16,32]"]),
        ("fed_gin_abdomen", [], ["'task'", "abdomen", "heart"]),
        ("fed_gin_heart", [QUICK[0], "normalization=batch"], ["'normalization'", "instance"]),
        ("fed_gin_heart", [QUICK[0], "network=dynunet"], ["'network'", "dynunet", "unet"]),
        ("fed_gin_heart", [QUICK[0], "spatial_dims=3"], ["'spatial_dims'", "3", "2"]),
        (
            "fed_gin_heart",
            [QUICK[0], "spacing=[1,4,null]"],
            ["[[1,2],[1,2]]", "[[2,2],[2,2]]", "[1.0,4.0,null]"],
        ),
        (
            "fed_gin_heart",
            [QUICK[0], "network=dynunet", "deep_supervision=true"],
            ["'deep_supervision'", "true", "false"],
        ),
        (
            "fed_gin_heart",
            [QUICK[0], "augmentation=dual_normalization"],
            ["augmentation dual_normalization", "augmentation gin"],
        ),
    ],
)
def test_a_model_of_another_network_is_refused_naming_both(
    repository: Path,
    model: Path,
    tmp_path: Path,
    job: str,
    overrides: list[str],
    words: list[str],
) -> None:
    said = refused(repository / "jobs" / job, model, tmp_path / "out", *overrides)
    assert all(word in said for word in words), said


def test_a_card_whose_classes_are_not_the_tasks_is_refused(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    change_card(model, class_names=["liver"])
    said = refused(repository / "jobs/fed_gin_heart", model, tmp_path / "out", *QUICK)
    assert '["heart"]' in said
    assert '["liver"]' in said


def test_an_edited_card_is_not_carried_and_one_of_before_the_hash_is(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    card = json.loads((model / "model_card.json").read_text())
    settings = {**card["settings"], "ct_window": [0, 100]}
    (model / "model_card.json").write_text(json.dumps({**card, "settings": settings}))
    for job in ("fed_gin_heart", "evaluate"):
        said = refused(repository / "jobs" / job, model, tmp_path / "out")
        assert "settings must be as they were written" in said
    change_card(model, settings=card["settings"])
    job = repository / "jobs" / "fed_gin_heart"
    out = export_job(job, tmp_path / "out", byoc=True, overrides=QUICK, model=model)
    assert read_release(out / CONFIG / "start").card == read_release(model).card


def test_arrays_that_are_not_the_networks_are_refused_whatever_the_card_says(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    card = json.loads((model / "model_card.json").read_text())
    change_card(model, settings={**card["settings"], "channels": [8, 16, 64]})
    said = refused(repository / "jobs/fed_gin_heart", model, tmp_path / "out", "channels=[8,16,64]")
    assert "the shape must be" in said


def test_a_damaged_model_is_refused(repository: Path, model: Path, tmp_path: Path) -> None:
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for job in ("fed_gin_heart", "evaluate"):
        assert str(file) in refused(repository / "jobs" / job, model, tmp_path / "out")


def test_a_job_exported_again_keeps_its_model_and_the_rule(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    job = repository / "jobs" / "fed_gin_heart"
    first = export_job(job, tmp_path / "a", byoc=True, overrides=QUICK, model=model)
    second = export_job(first, tmp_path / "b", byoc=True, overrides=["num_rounds=2"])
    assert read_release(second / CONFIG / "start").content == read_release(model).content
    assert "'channels'" in refused(first, None, tmp_path / "c", "channels=[8,16]")


# ---------------------------------------------------------------- measure a model


@pytest.mark.parametrize("byoc", [True, False])
def test_an_evaluation_takes_its_settings_from_the_model(
    repository: Path, model: Path, quick: ResolvedSettings, tmp_path: Path, byoc: bool
) -> None:
    out = export_job(repository / "jobs/evaluate", tmp_path / "out", byoc=byoc, model=model)
    found = read_settings(out / CONFIG / "training.json")
    assert whole_settings(found) == whole_settings(quick)
    assert read_release(out / CONFIG / "start").content == read_release(model).content
    if not byoc:
        allowed = json.loads((out / "resources.json").read_text())["class_allow_list"]
        assert "fedgin.flare.evaluation.ReleasedModelLocator" in allowed


def test_an_evaluation_names_no_workflow_that_trains(repository: Path) -> None:
    server = json.loads(
        (repository / "jobs/evaluate" / CONFIG / "config_fed_server.json").read_text()
    )
    (workflow,) = server["workflows"]
    assert workflow["path"].endswith("CrossSiteModelEval")
    assert list((repository / "jobs/evaluate").rglob("*.py")) == []


def test_how_it_measures_may_be_set_and_what_the_model_is_may_not(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    job = repository / "jobs" / "evaluate"
    overrides = ["tolerance_mm=2.5", "overlap=0.5", "validation_timeout=60"]
    out = export_job(job, tmp_path / "a", byoc=True, overrides=overrides, model=model)
    training = read_settings(out / CONFIG / "training.json").training
    assert (training.tolerance_mm, training.overlap) == (2.5, 0.5)
    server = json.loads((out / CONFIG / "config_fed_server.json").read_text())
    assert server["validation_timeout"] == 60
    assert "'channels' (allowed: " in refused(job, model, tmp_path / "b", "channels=[8,16]")
    assert "did you mean 'overlap'" in refused(job, model, tmp_path / "b", "overlapp=0.5")


def test_an_evaluation_without_a_model_is_refused_naming_the_option(
    repository: Path, tmp_path: Path
) -> None:
    assert "--from MODEL" in refused(repository / "jobs/evaluate", None, tmp_path / "out")


def test_a_model_of_three_dimensions_is_measured_in_three(repository: Path, tmp_path: Path) -> None:
    settings = make_settings(task="heart", spatial_dims=3, channels=[4, 8])
    model = release_into(tmp_path / "release", settings)
    out = export_job(repository / "jobs/evaluate", tmp_path / "out", byoc=True, model=model)
    assert read_settings(out / CONFIG / "training.json").training.spatial_dims == 3


def test_an_unknown_card_key_is_refused_naming_the_nearest(
    repository: Path, model: Path, tmp_path: Path
) -> None:
    change_card(model, contribution={})
    with pytest.raises(ConfigError, match="did you mean 'contributions'"):
        export_job(repository / "jobs/evaluate", tmp_path / "out", byoc=True, model=model)


def test_a_model_of_other_classes_is_refused_and_the_mend_names_them(
    repository: Path, tmp_path: Path
) -> None:
    values = {"task": "abdomen", "channels": [8, 16], "patch_size": [32, 32]}
    narrow = make_settings(**values, classes=["liver", "spleen"])
    model = release_into(tmp_path / "release", narrow)
    job = repository / "jobs" / "fed_gin_abdomen"
    overrides = ["channels=[8,16]", "patch_size=[32,32]"]
    words = refused(job, model, tmp_path / "out", *overrides)
    mend = 'classes=["liver","spleen"]'
    assert f"--set '{mend}'" in words
    out = export_job(job, tmp_path / "out", byoc=False, overrides=[*overrides, mend], model=model)
    assert read_settings(out / CONFIG / "training.json").task.class_names == ("liver", "spleen")
    evaluation = export_job(
        repository / "jobs" / "evaluate", tmp_path / "e", byoc=False, model=model
    )
    settings = read_settings(evaluation / CONFIG / "training.json")
    assert settings.task.class_names == ("liver", "spleen")
