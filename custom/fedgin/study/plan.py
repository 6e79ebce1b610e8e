"""The plan of a study: which models are trained, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fedgin.study.regimes import REGIMES, training_groups

ALL_AUGMENTATIONS = (
    "none",
    "gin",
    "randconv-img",
    "randconv-mix",
    "fourier-mix",
    "fda",
    "bezier",
    "dual-normalization",
    "gin-batch",
    "gin-consistency",
    "gin-ipa",
)
ALGORITHMS = ("fedavg", "fedprox", "fedbn", "scaffold")
BOTH = ("none", "gin")
FAMILIES = ("none", "gin", "randconv-mix", "fourier-mix", "dual-normalization")
"""One augmentation of each kind that arXiv 2602.20773 compares."""

Grid = Mapping[str, tuple[str, ...]]

GRIDS: Mapping[str, Grid] = MappingProxyType(
    {
        "quick": MappingProxyType(
            {
                "local": (*BOTH, "fourier-mix"),
                "centralized": BOTH,
                "federated": BOTH,
            }
        ),
        "default": MappingProxyType(
            {
                "local": ALL_AUGMENTATIONS,
                "centralized": FAMILIES,
                "federated": FAMILIES,
                "leave-one-site-out": BOTH,
                "leave-one-modality-out": BOTH,
                "fine-tuned": BOTH,
            }
        ),
        "full": MappingProxyType(dict.fromkeys(REGIMES, ALL_AUGMENTATIONS)),
    }
)

SMALLER_DEFAULTS: Mapping[str, Grid] = MappingProxyType(
    {
        # Six classes, and harder ones, need more steps a model: so fewer models, and of the rivals
        # the one that came nearest to GIN on the heart's unseen hospitals.
        "abdomen": MappingProxyType(
            {
                "local": ("none", "gin", "dual-normalization"),
                "centralized": BOTH,
                "federated": BOTH,
                "leave-one-modality-out": BOTH,
                "fine-tuned": BOTH,
            }
        ),
    }
)
"""The grid `default` of tasks where it is smaller, for the sake of time."""


def get_grid(name: str, *, task: str) -> Grid:
    """Returns a grid of `GRIDS` as a task has it."""
    if name == "default" and task in SMALLER_DEFAULTS:
        return SMALLER_DEFAULTS[task]
    return GRIDS[name]


@dataclass(frozen=True)
class PlannedRun:
    """One model to train and to measure.

    Attributes:
        regime: Name of the regime.
        augmentation: Name of the augmentation preset.
        seed: Seed of the run.
        train_sites: Sorted names of the sites that train it.
        algorithm: Federated algorithm; empty where nothing is federated.
        needs: Identifier of the run whose model it starts from, if any.
    """

    regime: str
    augmentation: str
    seed: int
    train_sites: tuple[str, ...]
    algorithm: str = ""
    needs: str | None = None

    @property
    def identifier(self) -> str:
        """A name for the run's folder, without the sites where these are all."""
        parts = [self.regime, self.augmentation, f"seed{self.seed}"]
        if self.algorithm not in ("", "fedavg"):
            parts.append(self.algorithm)
        return "_".join([*parts, "+".join(self.train_sites)])


def plan_runs(
    grid: Grid, *, modality_of: Mapping[str, str], seeds: Sequence[int], algorithm: str = "fedavg"
) -> list[PlannedRun]:
    """Lists the runs of a grid, those that others need first, seed by seed.

    Args:
        grid: Augmentations by regime.
        modality_of: Modality by name of each site of the study federation.
        seeds: Seeds.
        algorithm: Federated algorithm of the regimes that federate.
    """
    runs: dict[str, PlannedRun] = {}
    # Federated runs take longest and others start from them.
    order = sorted(
        REGIMES, key=lambda name: (not REGIMES[name].federated, list(REGIMES).index(name))
    )
    for seed in seeds:
        for regime in order:
            for augmentation in grid.get(regime, ()):
                for run in _runs_of(regime, augmentation, seed, modality_of, algorithm):
                    runs[run.identifier] = run
    return list(runs.values())


def _runs_of(
    regime: str, augmentation: str, seed: int, modality_of: Mapping[str, str], algorithm: str
) -> list[PlannedRun]:
    definition = REGIMES[regime]
    needs = None
    found: list[PlannedRun] = []
    if definition.starts_from:
        # The model to start from is a run of its own, wanted or not.
        found = _runs_of(definition.starts_from, augmentation, seed, modality_of, algorithm)
        needs = found[0].identifier
    federates = definition.federated or definition.starts_from is not None
    found += [
        PlannedRun(
            regime=regime,
            augmentation=augmentation,
            seed=seed,
            train_sites=group,
            algorithm=algorithm if federates else "",
            needs=needs,
        )
        for group in training_groups(regime, modality_of)
    ]
    return found
