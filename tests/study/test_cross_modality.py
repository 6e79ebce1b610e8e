"""The cross-modality comparison: every site alone, every augmentation, all test patients."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fedgin.data.prepare import prepare_site
from fedgin.engine.evaluator import evaluate
from fedgin.engine.pooled import HISTORY, LAST_MODEL
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.study.cross_modality import CrossResult, cross_modality, mean_dice

NAMES = ("site-1", "site-2")


@pytest.fixture
def sites(load: Callable[[str], Site]) -> list[Site]:
    return [load(name) for name in NAMES]


def run(
    sites: list[Site], settings: ResolvedSettings, folder: Path, told: list[str] | None = None
) -> list[CrossResult]:
    return list(
        cross_modality(
            sites,
            base=settings.training,
            augmentations=("none", "gin"),
            seeds=(0, 3),
            rounds=1,
            folder=folder,
            on_run=(told if told is not None else []).append,
        )
    )


def test_every_combination_is_measured_once_with_the_last_model(
    sites: list[Site], quick: ResolvedSettings, tmp_path: Path
) -> None:
    told: list[str] = []
    results = run(sites, quick, tmp_path, told)
    found = [(r.seed, r.augmentation, r.train_site, r.test_site) for r in results]
    assert found == list(itertools.product((0, 3), ("none", "gin"), NAMES, NAMES))
    assert told == [
        f"{site}-{name}-{seed}"
        for seed, name, site in itertools.product((0, 3), ("none", "gin"), NAMES)
    ]
    network, cpu = build_network(quick), torch.device("cpu")
    test_cases = {site.name: prepare_site(site, quick).splits["test"] for site in sites}
    for result in results:
        folder = tmp_path / f"{result.train_site}-{result.augmentation}-{result.seed}"
        network.load_state_dict(torch.load(folder / LAST_MODEL, weights_only=True)["model"])
        dice = evaluate(network, test_cases[result.test_site], settings=quick, device=cpu).mean()
        assert result.dice == pytest.approx(dice, abs=1e-12)
    losses = {name: json.loads((tmp_path / name / HISTORY).read_text())["loss"][0] for name in told}
    assert len(set(losses.values())) == len(told)  # neither augmentation nor seed is ignored


def test_a_second_run_in_the_same_folder_gives_the_same_results(
    sites: list[Site], quick: ResolvedSettings, tmp_path: Path
) -> None:
    assert run(sites[:1], quick, tmp_path) == run(sites[:1], quick, tmp_path)


def test_the_mean_is_over_seeds_of_one_combination() -> None:
    results = [
        CrossResult("gin", 0, "a", "b", 0.5),
        CrossResult("gin", 1, "a", "b", 0.8),
        CrossResult("none", 0, "a", "b", 0.1),
        CrossResult("gin", 0, "b", "a", 0.2),
    ]
    mean = mean_dice(results, augmentation="gin", train_site="a", test_site="b")
    assert mean == pytest.approx(0.65)
    with pytest.raises(ValueError, match="no result for none, b to a"):
        mean_dice(results, augmentation="none", train_site="b", test_site="a")
