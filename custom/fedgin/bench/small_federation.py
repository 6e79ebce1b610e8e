"""A small federation without FLARE, whose updates may be changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from fedgin.bench.made_sites import SITES, write_sites
from fedgin.data.prepare import prepare_site
from fedgin.engine.averaging import average_updates
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import add, get_weights
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import load_site_file

Update = Mapping[str, np.ndarray]
OnTheWay = Callable[[Update], Update]


def train_small_federation(
    folder: Path, settings: ResolvedSettings, *, rounds: int, on_the_way: OnTheWay
) -> float:
    """Trains two phantom sites in turns with federated averaging.

    Args:
        folder: For the sites' files, the cache and the state between rounds.
        settings: Settings of the run.
        rounds: Rounds.
        on_the_way: What happens to each update between a site and the average.

    Returns:
        Mean Dice over the sites' test patients and both sites.
    """
    write_sites(folder / "sites", cache=folder / "cache", threads=torch.get_num_threads())
    sites = {
        name: prepare_site(load_site_file(folder / "sites" / f"{name}.yaml"), settings)
        for name in SITES
    }
    trainers = {
        name: Trainer(
            settings=settings, site=name, cases=data.splits["train"], device=torch.device("cpu")
        )
        for name, data in sites.items()
    }
    weights = get_weights(build_network(settings))
    slices = {name: float(data.n_training_slices) for name, data in sites.items()}
    for number in range(rounds):
        updates: dict[str, Callable[[], Update]] = {}
        for name, trainer in trainers.items():
            result = trainer.run_round(
                weights, state_folder=folder / name, round_number=number, rounds=rounds
            )
            came = on_the_way(result.difference)
            updates[name] = lambda came=came: came  # type: ignore[misc]
        weights = add(weights, average_updates(updates, weights=slices))
    return float(
        np.mean(
            [
                trainers[name].evaluate(weights, data.splits["test"]).mean()
                for name, data in sites.items()
            ]
        )
    )
