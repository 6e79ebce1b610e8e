"""Settings that all runs share, and those that a run has of its own."""

from __future__ import annotations

from pathlib import Path

from fedgin.study.build import StudyRequest, define_study
from fedgin.study.own_settings import own_settings, shared_settings


def test_what_is_called_shared_is_the_same_in_every_run(tmp_path: Path) -> None:
    definition = define_study(StudyRequest(task="heart", folder=tmp_path, grid="full", seeds=2))
    shared = shared_settings(definition.base.model_dump(mode="json"))
    for run in definition.runs:
        found = shared_settings(definition.settings(run).training.model_dump(mode="json"))
        if run.regime == "fine-tuned":
            found["learning_rate"] *= 10  # as its description has it
        assert found == shared


def test_nothing_but_the_runs_own_settings_is_left_out() -> None:
    values = {"seed": 1, "algorithm": "fedavg", "augmentation": "gin", "rate": 2}
    values |= {"gin": {"layers": 4, "draw": "per_batch", "consistency": 0, "ipa": False}}
    assert shared_settings(values) == {"rate": 2, "gin": {"layers": 4}}


def test_every_own_setting_names_an_option() -> None:
    assert set(own_settings().values()) == {"--algorithm", "--augmentations", "--seeds"}
