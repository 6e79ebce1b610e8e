"""Does an augmentation help a model from one modality on the other's patients?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.data.prepare_sites import prepare_sites
from fedgin.engine.pooled import PooledTraining
from fedgin.settings import TrainingSettings
from fedgin.sites.lookup import Site


@dataclass(frozen=True)
class CrossResult:
    """One model on one site's test patients.

    Attributes:
        augmentation: Intensity augmentation of the training.
        seed: Seed of the training.
        train_site: Site that trained.
        test_site: Site whose test patients were measured.
        dice: Mean over classes of the mean over patients, last model.
    """

    augmentation: str
    seed: int
    train_site: str
    test_site: str
    dice: float


def cross_modality(
    sites: Sequence[Site],
    *,
    base: TrainingSettings,
    augmentations: Sequence[str],
    seeds: Sequence[int],
    rounds: int,
    folder: Path,
    on_run: Callable[[str], None] = lambda text: None,
) -> Iterator[CrossResult]:
    """Trains every site alone with every augmentation and seed; measures all on all test patients.

    The last model is measured: choosing one would need patients of the modality that the training
    site does not have.

    Args:
        sites: Sites of different modalities.
        base: Settings that all runs share.
        augmentations: Values of `augmentation` to compare.
        seeds: Seeds of the runs.
        rounds: Rounds of each run; the budget is the same for all.
        folder: Folder for the runs.
        on_run: Told what is about to run.
    """
    prepared = prepare_sites(sites, base.resolve())
    for seed in seeds:
        for augmentation in augmentations:
            settings = base.model_copy(
                update={"augmentation": augmentation, "seed": seed}
            ).resolve()
            for data in prepared:
                name = f"{data.site.name}-{augmentation}-{seed}"
                on_run(name)
                shutil.rmtree(folder / name, ignore_errors=True)
                training = PooledTraining(sites=[data], settings=settings)
                run = training.run(rounds=rounds, folder=folder / name)
                for other in prepared:
                    yield CrossResult(
                        augmentation=augmentation,
                        seed=seed,
                        train_site=data.site.name,
                        test_site=other.site.name,
                        dice=training.evaluate(run.last, other.splits["test"]).mean(),
                    )


def mean_dice(
    results: Sequence[CrossResult], *, augmentation: str, train_site: str, test_site: str
) -> float:
    """Averages over seeds.

    Raises:
        ValueError: There is no such result.
    """
    values = [
        result.dice
        for result in results
        if (result.augmentation, result.train_site, result.test_site)
        == (augmentation, train_site, test_site)
    ]
    if not values:
        raise ValueError(f"no result for {augmentation}, {train_site} to {test_site}")
    return sum(values) / len(values)
