"""The forecast of a round against a round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from subjects import TINY, by_name, make_subject

from fedgin.data.prepare import prepare_site
from fedgin.doctor.forecast import check_forecast, traffic
from fedgin.doctor.subject import Notes
from fedgin.engine.site_work import SiteWork
from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site


@pytest.mark.parametrize("algorithm", ["fedavg", "scaffold"])
@pytest.mark.parametrize("normalization", ["instance", "batch"])
def test_the_bytes_are_those_of_what_is_sent(
    algorithm: str, normalization: str, load: Callable[[str], Site], tmp_path: Path
) -> None:
    settings = make_settings(**TINY, algorithm=algorithm, normalization=normalization)
    weights = get_weights(build_network(settings))
    parameters = build_network(settings).named_parameters()
    control = {name: np.zeros(tuple(parameter.shape), np.float32) for name, parameter in parameters}
    work = SiteWork(site=load("site-1"), settings=settings, run_folder=tmp_path)
    result = work.train(
        weights, round_number=0, rounds=1, validation_dice=float("nan"), control=control
    )
    down, up = traffic(settings)
    controls = {} if algorithm == "fedavg" else control
    assert down == sum(array.nbytes for part in (weights, controls) for array in part.values())
    sent = [result.difference, result.control_difference or {}]
    assert up == sum(array.nbytes for part in sent for array in part.values())
    assert bool(result.control_difference) == (algorithm == "scaffold")


def test_the_time_is_that_of_a_round(load: Callable[[str], Site], tmp_path: Path) -> None:
    site, settings = load("site-1"), make_settings(**TINY)
    notes = Notes(prepared=prepare_site(site, settings))
    found = by_name(check_forecast(make_subject(name="site-1", site=site), notes))
    values = {key: float(value or 0) for key, value in found["time per round"].values.items()}
    assert values["training_seconds"] == pytest.approx(4 * values["step_seconds"])
    total = values["training_seconds"] + values["validation_seconds"]
    assert values["round_seconds"] == pytest.approx(total)
    work = SiteWork(site=site, settings=settings, run_folder=tmp_path)
    weights = get_weights(work.trainer.network)
    seconds = [
        work.train(weights, round_number=number, rounds=2, validation_dice=0.0).seconds
        for number in range(2)
    ]
    # Loosely, and without the first round's warm-up: other programs share the processor.
    assert 1 / 10 < values["training_seconds"] / seconds[1] < 10


def test_without_volumes_the_steps_are_timed_on_noise(load: Callable[[str], Site]) -> None:
    subject = make_subject(name="site-1", site=load("site-1"))
    found = by_name(check_forecast(subject, Notes()))
    assert "noise" in found["time per round"].found
    assert "validation_seconds" not in found["time per round"].values
    assert found["bytes per round"].status == "ok"
