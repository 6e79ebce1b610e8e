"""Training without a federation: budget, choice of the best round, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.engine.pooled import BEST_MODEL, HISTORY, LAST_MODEL, PooledRun, PooledTraining
from fedgin.engine.tensor_file import read_tree
from fedgin.engine.weights import get_weights, set_weights
from fedgin.errors import ConfigError
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site

ROUNDS = 3
Trained = tuple[PooledTraining, PooledRun, Path, list[tuple[int, float, float]]]


@pytest.fixture
def sites(load: Callable[[str], Site], quick: ResolvedSettings) -> list[PreparedSite]:
    return [prepare_site(load(name), quick) for name in ("site-1", "site-2")]


@pytest.fixture
def trained(sites: list[PreparedSite], quick: ResolvedSettings, tmp_path: Path) -> Trained:
    training = PooledTraining(sites=sites, settings=quick)
    told: list[tuple[int, float, float]] = []
    run = training.run(
        rounds=ROUNDS, folder=tmp_path / "run", on_round=lambda *values: told.append(values)
    )
    return training, run, tmp_path / "run", told


def balanced_score(training: PooledTraining, run: PooledRun, sites: list[PreparedSite]) -> float:
    per_modality = [
        np.mean([row.dice for row in training.evaluate(run.best, s.splits["validation"]).cases])
        for s in sites
    ]
    return float(np.mean(per_modality))


def test_the_best_round_is_chosen_by_the_score(trained: Trained, sites: list[PreparedSite]) -> None:
    training, run, _, told = trained
    assert len(run.scores) == ROUNDS + 1
    assert run.best_round == int(np.argmax(run.scores))
    assert balanced_score(training, run, sites) == pytest.approx(max(run.scores), abs=1e-12)
    assert told == [(n + 1, run.losses[n], run.scores[n + 1]) for n in range(ROUNDS)]


def test_the_first_score_is_that_of_the_initial_weights(
    trained: Trained, sites: list[PreparedSite], quick: ResolvedSettings
) -> None:
    training, run, _, _ = trained
    weights = get_weights(build_network(quick))
    dice = [training.evaluate(weights, site.splits["validation"]).mean() for site in sites]
    assert run.scores[0] == pytest.approx(np.mean(dice), abs=1e-12)


def test_files_hold_the_models_and_the_history(trained: Trained, quick: ResolvedSettings) -> None:
    _, run, folder, _ = trained
    for name, weights in ((BEST_MODEL, run.best), (LAST_MODEL, run.last)):
        model = torch.load(folder / name, weights_only=True)["model"]
        assert all(np.array_equal(model[key].numpy(), weights[key]) for key in weights)
        set_weights(build_network(quick), {key: value.numpy() for key, value in model.items()})
    history = json.loads((folder / HISTORY).read_text())
    assert history["best_round"] == run.best_round
    assert history["validation_score"] == run.scores
    assert history["loss"] == run.losses


def test_a_pooled_round_takes_the_steps_of_all_sites(
    trained: Trained, quick: ResolvedSettings
) -> None:
    _, _, folder, _ = trained
    file = folder / "state" / f"state-after-round-{ROUNDS - 1}.safetensors"
    state = read_tree(file)
    taken = {int(entry["step"]) for entry in state["optimizer"]["state"].values()}
    assert taken == {ROUNDS * 2 * quick.training.steps_per_round}


def test_the_same_run_gives_the_same_bits(
    trained: Trained, sites: list[PreparedSite], quick: ResolvedSettings, tmp_path: Path
) -> None:
    _, run, _, _ = trained
    again = PooledTraining(sites=sites, settings=quick).run(rounds=ROUNDS, folder=tmp_path / "b")
    assert all(np.array_equal(run.last[name], again.last[name]) for name in run.last)
    assert run.scores == again.scores


def test_fewer_validations_leave_the_models_as_they_are(
    trained: Trained, sites: list[PreparedSite], quick: ResolvedSettings, tmp_path: Path
) -> None:
    _, run, _, _ = trained
    values = {**quick.training.model_dump(mode="json"), "validate_every": ROUNDS}
    rare = PooledTraining(sites=sites, settings=make_settings(**values)).run(
        rounds=ROUNDS, folder=tmp_path
    )
    assert all(np.array_equal(run.last[name], rare.last[name]) for name in run.last)
    # Before the first round and after the last one; between them nothing was measured.
    assert (rare.scores[0], rare.scores[-1]) == (run.scores[0], run.scores[-1])
    assert np.isnan(rare.scores[1:-1]).all()
    assert rare.best_round in (0, ROUNDS)


def test_one_site_alone_keeps_its_own_budget(
    sites: list[PreparedSite], quick: ResolvedSettings, tmp_path: Path
) -> None:
    training = PooledTraining(sites=sites[:1], settings=quick)
    result = training.trainer.run_round(
        get_weights(training.trainer.network),
        state_folder=tmp_path,
        round_number=0,
        rounds=1,
    )
    assert result.steps == quick.training.steps_per_round


def test_no_site_is_refused(quick: ResolvedSettings) -> None:
    with pytest.raises(ConfigError, match="at least one site"):
        PooledTraining(sites=[], settings=quick)
