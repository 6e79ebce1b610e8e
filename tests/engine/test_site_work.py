"""A site's three tasks on the small phantom."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedgin.engine.evaluator import Aborted
from fedgin.engine.site_work import SiteWork, none_if_nan
from fedgin.engine.weights import add, get_weights
from fedgin.errors import DataError
from fedgin.networks import build_network
from fedgin.report.run_record import SiteMetrics
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site
from fedgin.sites.schema import SiteConfig


@pytest.fixture
def work(load: Callable[[str], Site], quick: ResolvedSettings, tmp_path: Path) -> SiteWork:
    return SiteWork(site=load("site-1"), settings=quick, run_folder=tmp_path / "run")


def test_a_site_validates_trains_and_tests(work: SiteWork, quick: ResolvedSettings) -> None:
    weights = get_weights(build_network(quick))
    validation = work.validate(weights)
    result = work.train(weights, round_number=0, rounds=2, validation_dice=validation.mean())
    assert result.steps == quick.training.steps_per_round
    test = work.test(add(weights, result.difference))
    names = {split: {case.name for case in cases} for split, cases in work.data.splits.items()}
    assert {row.case for row in validation.cases} == names["validation"]
    assert {row.case for row in test.cases} == names["test"]
    assert not names["train"] & (names["validation"] | names["test"])
    assert {row.site for row in test.cases} == {"site-1"}


def test_rounds_without_validation_measure_nobody(
    load: Callable[[str], Site], quick: ResolvedSettings, tmp_path: Path
) -> None:
    values = {**quick.training.model_dump(mode="json"), "validate_every": 3}
    work = SiteWork(
        site=load("site-1"), settings=make_settings(**values), run_folder=tmp_path / "run"
    )
    weights = get_weights(work.trainer.network)
    measured = [len(work.validate(weights, before_round=number).cases) for number in range(7)]
    assert measured == [1, 0, 0, 1, 0, 0, 1]
    # What the server gets then is what a site without validation patients says.
    nobody = work.metrics(work.validate(weights, before_round=1))
    assert nobody == {"dice": None, "per_class": {"heart": None}, "cases": 0}
    # The last model is measured whatever its round.
    assert len(work.validate(weights).cases) == 1


def test_metrics_are_plain_numbers_that_the_report_reads(
    work: SiteWork, quick: ResolvedSettings
) -> None:
    evaluation = work.validate(get_weights(build_network(quick)))
    metrics = work.metrics(evaluation)
    assert set(metrics) == {"dice", "per_class", "cases"}
    assert metrics["per_class"] == {"heart": metrics["dice"]}
    assert metrics["dice"] == pytest.approx(np.mean([row.dice[0] for row in evaluation.cases]))
    assert metrics["cases"] == 1
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    message = {"modality": "CT", "validation": metrics}
    assert SiteMetrics.from_message(message).validation == metrics


def test_unknown_dice_is_none() -> None:
    assert none_if_nan(math.nan) is None
    assert none_if_nan(0.0) == 0.0


def test_the_state_lies_in_the_run_folder(work: SiteWork, tmp_path: Path) -> None:
    weights = get_weights(work.trainer.network)
    work.train(weights, round_number=0, rounds=2, validation_dice=0.1)
    files = [file.name for file in (tmp_path / "run" / "state").iterdir()]
    assert files == ["state-after-round-0.safetensors"]


def test_an_abort_reaches_every_task(work: SiteWork) -> None:
    weights = get_weights(work.trainer.network)
    for task in (work.validate, work.test):
        with pytest.raises(Aborted):
            task(weights, should_stop=lambda: True)
    with pytest.raises(Aborted):
        work.train(weights, round_number=0, rounds=1, validation_dice=0.0, should_stop=lambda: True)


def test_a_picture_is_written_for_the_sites_user_alone(work: SiteWork, tmp_path: Path) -> None:
    picture = work.picture(get_weights(work.trainer.network), name="after-round-0")
    assert picture is not None
    assert picture.dtype == np.uint8
    file = tmp_path / "run" / "pictures" / "after-round-0.png"
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_site_without_training_patients_measures_and_cannot_train(
    load: Callable[[str], Site], quick: ResolvedSettings, tmp_path: Path
) -> None:
    site = load("site-1")
    values = {**site.config.model_dump(), "split": {"by": "test"}}
    outside = replace(site, config=SiteConfig.model_validate(values))
    with pytest.raises(DataError, match="training split must have at least one case"):
        SiteWork(site=outside, settings=quick, run_folder=tmp_path / "a")
    work = SiteWork(site=outside, settings=quick, run_folder=tmp_path / "b", trains=False)
    everyone = SiteWork(site=site, settings=quick, run_folder=tmp_path / "c").data.splits
    weights = get_weights(build_network(quick))
    tested = {row.case for row in work.test(weights).cases}
    assert tested == {case.name for cases in everyone.values() for case in cases}
    assert work.metrics(work.validate(weights))["dice"] is None
