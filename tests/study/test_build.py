"""From a request to a definition, and what is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import write_site

from fedgin.errors import ConfigError
from fedgin.study.build import StudyRequest, define_study
from fedgin.study.definition import StudyDefinition
from fedgin.tasks import TASKS


def define(tmp_path: Path, **values: Any) -> StudyDefinition:
    return define_study(StudyRequest(**{"task": "heart", "folder": tmp_path / "out", **values}))


def test_default_study_has_four_sites_and_two_unseen_hospitals(tmp_path: Path) -> None:
    definition = define(tmp_path)
    assert [site.name for site in definition.training_sites] == [
        "ct-arterial",
        "ct-portal",
        "mr-bssfp",
        "mr-t1",
    ]
    assert [site.name for site in definition.unseen_sites] == ["ct-native", "mr-t2"]
    assert sorted(definition.modality_of.values()) == ["CT"] * 3 + ["MR"] * 3


def test_a_3d_study_leaves_what_was_chosen_for_slices(tmp_path: Path) -> None:
    geometry = define(tmp_path, overrides={"spatial_dims": 3}).base.resolve().geometry
    assert geometry == TASKS["heart"].geometry[3]


def test_federated_and_centralized_runs_take_equal_steps(tmp_path: Path) -> None:
    definition = define(tmp_path)
    steps = {run.regime: definition.steps_of(run) for run in definition.runs}
    assert steps["federated"] == steps["centralized"] == 4 * steps["local"]
    assert steps["leave-one-site-out"] == 3 * steps["local"]


def test_equal_settings_but_for_augmentation_and_seed(tmp_path: Path) -> None:
    definition = define(tmp_path, seeds=2, regimes=["centralized", "federated"])
    for run in definition.runs:
        training = definition.settings(run).training
        changed = {"seed", "augmentation", "gin", "randconv", "fourier", "bezier", "algorithm"}
        assert training.model_dump(exclude=changed) == definition.base.model_dump(exclude=changed)
        assert training.seed == run.seed


def test_fine_tuning_goes_on_with_a_tenth_of_the_rate(tmp_path: Path) -> None:
    definition = define(tmp_path, regimes=["fine-tuned"], augmentations=["gin"])
    tuned = next(run for run in definition.runs if run.regime == "fine-tuned")
    rate = definition.settings(tuned).training.learning_rate
    assert rate == pytest.approx(definition.base.learning_rate / 10)
    assert definition.rounds_of(tuned) == 1


def test_a_curve_has_five_points_but_where_the_rate_follows_validation(tmp_path: Path) -> None:
    definition = define(tmp_path)
    assert definition.rounds / definition.base.validate_every == 5
    assert define(tmp_path, overrides={"validate_every": 2}).base.validate_every == 2
    assert define(tmp_path, overrides={"schedule": "plateau"}).base.validate_every == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"augmentations": ["randcnv-mix"]}, "did you mean 'randconv-mix'"),
        ({"regimes": ["leave-one-sight-out"]}, "did you mean 'leave-one-site-out'"),
        ({"grid": "defualt"}, "did you mean 'default'"),
        ({"task": "haert"}, "did you mean 'heart'"),
        ({"overrides": {"learnig_rate": 1}}, "did you mean 'learning_rate'"),
        ({"training": ["nowhere"]}, "a site needs its own nowhere.yaml"),
        ({"training": ["ct-arterial", "ct-arterial"]}, "a site may stand once"),
        ({"training": ["ct-arterial"], "unseen": ["ct-arterial"]}, "a site may stand once"),
        ({"training": ["ct-arterial"], "regimes": ["leave-one-site-out"]}, "at least one model"),
        ({"algorithm": "fedporx"}, "did you mean 'fedprox'"),
        ({"algorithm": "fedbn"}, "normalization"),
        ({"job": Path("jobs/nothing")}, "the file must exist"),
    ],
)
def test_refusals_name_key_and_mend(
    values: dict[str, Any], message: str, tmp_path: Path, repository: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        define(tmp_path, **values)


def test_all_wrong_names_are_listed_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        define(tmp_path, augmentations=["gni", "bezir"], regimes=["lcoal"])
    assert len(refusal.value.problems) == 3


def test_a_job_of_another_task_is_refused(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(ConfigError, match="the job must be for task 'heart'"):
        define(tmp_path, job=repository / "jobs" / "fed_gin_abdomen")


def test_site_files_can_be_named_by_path(tmp_path: Path, phantom_folder: Path) -> None:
    definition = define(
        tmp_path,
        training=[str(phantom_folder / "site-1.yaml"), str(phantom_folder / "site-2.yaml")],
    )
    assert [site.name for site in definition.training_sites] == ["site-1", "site-2"]
    assert definition.unseen_sites == ()


@pytest.mark.parametrize("name", ["a+b", "my site", "größe", "-x"])
def test_a_site_file_s_name_must_be_fit_for_a_site(name: str, tmp_path: Path) -> None:
    write_site(tmp_path, name, modality="CT", protocol="native", seed=9)
    with pytest.raises(ConfigError, match="a site's name has letters, digits"):
        define(tmp_path, training=[str(tmp_path / f"{name}.yaml")])


def test_default_sites_are_the_checkout_s_whatever_the_user_has_of_his_own(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path, "ct-arterial", modality="CT", protocol="native", seed=9)
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path))
    definition = define(tmp_path)
    places = {site.path.parent for site in (*definition.training_sites, *definition.unseen_sites)}
    assert places == {repository / "site_configs" / "study"}


def test_a_named_site_is_the_user_s_own_and_a_phantom_only_where_he_has_none(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path, "ct-arterial", modality="CT", protocol="native", seed=9)
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path))
    definition = define(tmp_path, training=["ct-arterial", "mr-t1"])
    phantom = repository / "site_configs" / "study" / "mr-t1.yaml"
    assert [site.path for site in definition.training_sites] == [
        tmp_path / "ct-arterial.yaml",
        phantom,
    ]


@pytest.mark.parametrize(
    ("overrides", "option"),
    [
        ({"algorithm": "scaffold"}, "--algorithm"),
        ({"augmentation": "gin"}, "--augmentations"),
        ({"seed": 3}, "--seeds"),
        ({"fourier": {"mode": "swap"}}, "--augmentations"),
        ({"gin": {"consistency": 10}}, "--augmentations"),
    ],
)
def test_a_setting_that_differs_from_run_to_run_is_refused(
    overrides: dict[str, Any], option: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"the study sets it run by run.*{option}"):
        define(tmp_path, overrides=overrides)


def test_a_setting_of_an_augmentation_that_no_run_changes_holds_for_all(tmp_path: Path) -> None:
    definition = define(tmp_path, overrides={"gin": {"probability": 0.25}}, seeds=1)
    probabilities = {definition.settings(run).training.gin.probability for run in definition.runs}
    assert probabilities == {0.25}


def test_unknown_algorithm_is_refused_even_where_nothing_federates(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--algorithm.*did you mean 'scaffold'"):
        define(tmp_path, algorithm="scafold", regimes=["local"])


def test_regimes_that_train_nothing_are_noted(tmp_path: Path) -> None:
    definition = define(tmp_path, training=["ct-arterial", "ct-portal"])
    assert not [run for run in definition.runs if run.regime == "leave-one-modality-out"]
    (note,) = definition.notes
    assert note.startswith("leave-one-modality-out: no model")
    assert define(tmp_path).notes == ()
