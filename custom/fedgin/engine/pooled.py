"""Training without a federation: one site alone, or several sites' volumes pooled."""

from __future__ import annotations

import functools
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fedgin.data.prepare import PreparedCase, PreparedSite
from fedgin.engine.averaging import partial_selection_score, selection_score
from fedgin.engine.device import choose_device
from fedgin.engine.evaluator import Evaluation
from fedgin.engine.site_work import STATE_FOLDER
from fedgin.engine.trainer import Trainer
from fedgin.engine.weights import Weights, add, get_weights
from fedgin.errors import ConfigError, Problem
from fedgin.files import write_atomically
from fedgin.settings import ResolvedSettings

logger = logging.getLogger(__name__)

BEST_MODEL, LAST_MODEL, HISTORY = "best_model.pt", "last_model.pt", "history.json"


@dataclass
class PooledRun:
    """What a run without a federation gives.

    Attributes:
        best: Weights with the best validation score; the last where nothing was measured.
        last: Weights after the last round.
        best_round: Rounds after which the best weights were reached.
        scores: Validation score after 0, 1, ... rounds; nan where nothing could be measured.
        losses: Mean training loss of each round.
        seconds: Wall time of each round's steps.
    """

    best: Weights
    last: Weights
    best_round: int = 0
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def validated(self) -> bool:
        """Whether any of the models was measured, so that one of them is the best."""
        return any(not math.isnan(score) for score in self.scores)


class PooledTraining:
    """The regimes `local` (one site) and `centralized` (several): the federation's own trainer.

    A round of n sites takes n times the steps of a federated site's round, so that both regimes
    spend the same number of optimizer steps in total. The setting `algorithm` says how a federation
    trains; here it has no effect.
    """

    def __init__(
        self,
        *,
        sites: Sequence[PreparedSite],
        settings: ResolvedSettings,
        device: str | None = None,
    ) -> None:
        """Pools the sites' training cases.

        Args:
            sites: One or more prepared sites.
            settings: Settings of the run.
            device: The device; by default that of the first site's file.

        Raises:
            ConfigError: There is no site.
        """
        if not sites:
            raise ConfigError(
                Problem("sites", "at least one site is needed", "none", "name a site")
            )
        self._sites = list(sites)
        self.trainer = Trainer(
            settings=settings.without_federation(),
            site="+".join(site.site.name for site in sites),
            cases=[case for site in sites for case in site.splits["train"]],
            device=choose_device(device or sites[0].site.config.device),
            steps_per_round=settings.training.steps_per_round * len(sites),
        )

    def run(
        self,
        *,
        rounds: int,
        folder: Path,
        start: Weights | None = None,
        on_round: Callable[[int, float, float], None] = lambda number, loss, score: None,
    ) -> PooledRun:
        """Trains for some rounds and keeps the best and the last weights.

        The model is validated before the first round, after every `validate_every` rounds of the
        settings and after the last; the score of a round without a validation is nan.

        Args:
            rounds: Number of rounds.
            folder: Folder for models, state and history.
            start: Weights to start from; by default the run's initial weights.
            on_round: Told after each round its number from 1, training loss and validation score.
        """
        folder.mkdir(parents=True, exist_ok=True)
        every = self.trainer.settings.training.validate_every
        weights = start or get_weights(self.trainer.network)
        score = self._score(weights)
        run = PooledRun(best=weights, last=weights, scores=[score])
        for number in range(rounds):
            result = self.trainer.run_round(
                weights,
                state_folder=folder / STATE_FOLDER,
                round_number=number,
                rounds=rounds,
                validation_dice=score,
            )
            weights = add(weights, result.difference)
            due = (number + 1) % every == 0 or number + 1 == rounds
            score = self._score(weights) if due else math.nan
            run.last = weights
            run.scores.append(score)
            run.losses.append(result.loss)
            run.seconds.append(result.seconds)
            if due and not score <= max((s for s in run.scores[:-1] if s == s), default=-1.0):
                run.best, run.best_round = weights, number + 1
            on_round(number + 1, result.loss, score)
        self._save(run, folder)
        return run

    def evaluate(
        self, weights: Weights, cases: Sequence[PreparedCase], *, surfaces: bool = False
    ) -> Evaluation:
        """Measures weights on any cases; see `fedgin.engine.evaluator.evaluate`."""
        return self.trainer.evaluate(weights, cases, surfaces=surfaces)

    def _score(self, weights: Weights) -> float:
        """Scores as the federation's selector does: modalities count alike."""
        measured = {
            site.site.name: self.evaluate(weights, site.splits["validation"])
            for site in self._sites
        }
        modality = {site.site.name: site.site.config.modality for site in self._sites}
        if any(site.not_annotated for site in self._sites):
            by_class = {site: found.per_class() for site, found in measured.items()}
            return partial_selection_score(by_class, modality)
        return selection_score({site: found.mean() for site, found in measured.items()}, modality)

    def _save(self, run: PooledRun, folder: Path) -> None:
        models = {LAST_MODEL: run.last}
        if run.validated:
            models[BEST_MODEL] = run.best
        for name, weights in models.items():
            model = {"model": {key: torch.from_numpy(array) for key, array in weights.items()}}
            write_atomically(folder / name, functools.partial(torch.save, model))
        history = {
            "best_round": run.best_round,
            "validation_score": [None if s != s else s for s in run.scores],
            "loss": run.losses,
            "seconds": run.seconds,
        }
        write_atomically(folder / HISTORY, json.dumps(history, indent=2).encode())
