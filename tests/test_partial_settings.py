"""The settings of partial labels: what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fedgin.errors import ConfigError
from fedgin.partial_settings import DistillationSettings
from fedgin.release.from_record import whole_settings
from fedgin.settings import make_settings


def refused(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        make_settings(task="abdomen", **values)
    return str(caught.value)


def test_by_default_a_training_site_may_lack_nothing() -> None:
    training = make_settings(task="abdomen").training
    assert training.partial_labels == "refuse"
    assert training.distillation.weight == 0


def test_classes_keep_the_tasks_order() -> None:
    resolved = make_settings(task="abdomen", classes=["kidney_left", "liver"])
    assert resolved.task.class_names == ("liver", "kidney_left")
    assert resolved.task.n_classes == 3
    assert whole_settings(resolved).resolve().task == resolved.task


def test_the_whole_list_of_classes_is_the_task() -> None:
    whole = make_settings(task="abdomen").task
    assert make_settings(task="abdomen", classes=list(whole.class_names)).task == whole


def test_wrong_classes_are_all_listed() -> None:
    words = refused(classes=["livr", "stomach", "spleen", "spleen"])
    assert "did you mean 'liver'?" in words
    assert "'stomach'" in words
    assert "each once" in words
    assert "at least 1" in refused(classes=[])


def test_distillation_needs_unknown_classes() -> None:
    assert "partial_labels=marginal" in refused(distillation={"weight": 1.0})
    assert "partial_labels=marginal" in refused(
        distillation={"weight": 1.0}, partial_labels="background"
    )
    make_settings(task="abdomen", distillation={"weight": 1.0}, partial_labels="marginal")


@pytest.mark.parametrize(
    "values", [{"weight": -1}, {"weight": float("nan")}, {"temperature": 0}, {"wait": 1}]
)
def test_distillation_is_strict(values: dict[str, Any]) -> None:
    refused(distillation=values, partial_labels="marginal")


def test_the_weight_rises_from_nothing() -> None:
    settings = DistillationSettings(weight=0.8)
    weights = [settings.weight_in(number, rounds=5) for number in range(5)]
    assert weights == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert settings.weight_in(0, rounds=1) == 0
