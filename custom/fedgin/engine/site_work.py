"""Everything a site does in a run, behind three calls: validate, train, test."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.engine.device import choose_device
from fedgin.engine.evaluator import Evaluation
from fedgin.engine.picture import save_picture
from fedgin.engine.trainer import RoundResult, Trainer
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site

STATE_FOLDER = "state"
PICTURE_FOLDER = "pictures"

ShouldStop = Callable[[], bool]


class SiteWork:
    """One site's share of a federated run, without a word of the federation's software."""

    def __init__(self, *, site: Site, settings: ResolvedSettings, run_folder: Path) -> None:
        """Prepares the site's data and builds the trainer.

        Args:
            site: The site's file.
            settings: Settings of the run.
            run_folder: The site's folder for this run: state between rounds, pictures.

        Raises:
            ConfigError: The site's file does not fit the task.
            DataError: Volumes break rules.
        """
        self.site = site
        self.settings = settings
        self._run_folder = run_folder
        self.data: PreparedSite = prepare_site(site, settings)
        self.trainer = Trainer(
            settings=settings,
            site=site.name,
            cases=self.data.splits["train"],
            device=choose_device(site.config.device),
        )

    def validate(
        self, weights: Mapping[str, np.ndarray], *, should_stop: ShouldStop = lambda: False
    ) -> Evaluation:
        """Measures weights on the patients that choose the best model."""
        return self.trainer.evaluate(
            weights, self.data.splits["validation"], should_stop=should_stop
        )

    def test(
        self, weights: Mapping[str, np.ndarray], *, should_stop: ShouldStop = lambda: False
    ) -> Evaluation:
        """Measures weights on the patients that were never used for anything else."""
        return self.trainer.evaluate(weights, self.data.splits["test"], should_stop=should_stop)

    def train(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        round_number: int,
        rounds: int,
        validation_dice: float,
        should_stop: ShouldStop = lambda: False,
    ) -> RoundResult:
        """Trains for one round; see `Trainer.run_round`."""
        return self.trainer.run_round(
            weights,
            state_folder=self._run_folder / STATE_FOLDER,
            round_number=round_number,
            rounds=rounds,
            validation_dice=validation_dice,
            should_stop=should_stop,
        )

    def picture(self, weights: Mapping[str, np.ndarray], *, name: str) -> np.ndarray | None:
        """Draws a validation slice into the site's own folder and returns it.

        Returns:
            Shape (3, height, width), uint8, RGB; None where there is no case to draw.
        """
        cases = self.data.splits["validation"] or self.data.splits["test"]
        if not cases:
            return None
        return save_picture(
            self.trainer,
            weights,
            cases[0],
            file=self._run_folder / PICTURE_FOLDER / f"{name}.png",
        )

    def metrics(self, evaluation: Evaluation) -> dict[str, Any]:
        """Turns an evaluation into the plain numbers that a site reports.

        Returns:
            `dice` (mean over classes), `per_class` and `cases`; Dice is None where unknown.
        """
        return {
            "dice": none_if_nan(evaluation.mean()),
            "per_class": {
                name: none_if_nan(value) for name, value in evaluation.per_class().items()
            },
            "cases": len(evaluation.cases),
        }


def none_if_nan(value: float) -> float | None:
    """Replaces nan, which JSON does not know, by None."""
    return None if math.isnan(value) else float(value)
