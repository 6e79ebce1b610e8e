"""Everything a site does in a run, behind three calls: validate, train, test."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.engine.device import choose_device
from fedgin.engine.evaluator import Evaluation
from fedgin.engine.history import note_round
from fedgin.engine.lineage import join_lineage, joined_lineage, prune_lineages
from fedgin.engine.occupancy import on_device, release_device
from fedgin.engine.patient_scores import patient_scores, summarise_scores, write_scores
from fedgin.engine.picture import save_picture
from fedgin.engine.sgd_account import PrivacySpent
from fedgin.engine.site_weights import SiteFacts
from fedgin.engine.small_groups import report_groups
from fedgin.engine.trainer import RoundResult, Trainer
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site

logger = logging.getLogger(__name__)

STATE_FOLDER = "state"
PICTURE_FOLDER = "pictures"
HISTORY_FILE = "history.json"
SCORE_FOLDER = "test_scores"

ShouldStop = Callable[[], bool]


class SiteWork:
    """One site's share of a federated run, without a word of the federation's software."""

    def __init__(
        self, *, site: Site, settings: ResolvedSettings, run_folder: Path, trains: bool = True
    ) -> None:
        """Prepares the site's data and builds the trainer.

        Args:
            site: The site's file.
            settings: Settings of the run.
            run_folder: The site's folder for this run: pictures, scores, and the state between
                rounds where the site's file names no folder for it.
            trains: False where the run only measures: then the site may have no patients to train
                on, and may lack structures of the task.

        Raises:
            ConfigError: The site's file does not fit the task.
            DataError: Volumes break rules.
        """
        self.site = site
        self.settings = settings
        self._run_folder = run_folder
        self.data: PreparedSite = prepare_site(site, settings, partial=not trains, trains=trains)
        self.trainer = Trainer(
            settings=settings,
            site=site.name,
            cases=self.data.splits["train"],
            device=choose_device(site.config.device),
        )
        if site.config.release_gpu:
            release_device(self.trainer)

    def _on_device(self) -> AbstractContextManager[Trainer]:
        return on_device(self.trainer, release=self.site.config.release_gpu)

    def join(self, lineage: str) -> None:
        """Takes note of the run that the next task belongs to.

        Args:
            lineage: Name of the run, 32 hexadecimal digits; a job that goes on after a crash has
                another run folder, but the same lineage.

        Raises:
            ConfigError: The name is of another form.
        """
        join_lineage(self._run_folder, lineage)
        state = self.site.config.state
        if state.folder is not None:
            folder = self.state_folder
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            prune_lineages(folder.parent, days=state.days, keep=lineage)

    @property
    def facts(self) -> SiteFacts:
        """What the server may know of the site's training data."""
        return SiteFacts(
            modality=self.site.config.modality,
            cases=len(self.data.splits["train"]),
            slices=self.data.n_training_slices,
        )

    @property
    def state_folder(self) -> Path:
        """Folder of the state between rounds."""
        root, lineage = self.site.config.state.folder, joined_lineage(self._run_folder)
        if root is None or lineage is None:
            return self._run_folder / STATE_FOLDER
        return Path(root) / self.site.name / lineage

    def own_weights(
        self, weights: Mapping[str, np.ndarray], *, before_round: int | None = None
    ) -> Mapping[str, np.ndarray]:
        """Returns the global weights as this site uses them; see `Trainer.starting_weights`.

        Args:
            weights: The global weights.
            before_round: The round that comes next; None after the last.
        """
        with self._on_device() as trainer:
            return trainer.starting_weights(
                weights, state_folder=self.state_folder, before_round=before_round
            )

    def validates(self, round_number: int) -> bool:
        """Says whether the global model is validated before a round, counted from 0."""
        return round_number % self.settings.training.validate_every == 0

    def validate(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        before_round: int | None = None,
        should_stop: ShouldStop = lambda: False,
    ) -> Evaluation:
        """Measures weights on the patients that choose the best model.

        Args:
            weights: The weights.
            before_round: The round that comes next, from 0; where it is one without validation,
                nobody is measured. None measures in any case.
            should_stop: Asked between volumes.
        """
        due = before_round is None or self.validates(before_round)
        cases = self.data.splits["validation"] if due else []
        with self._on_device() as trainer:
            return trainer.evaluate(weights, cases, should_stop=should_stop)

    def test(
        self, weights: Mapping[str, np.ndarray], *, should_stop: ShouldStop = lambda: False
    ) -> Evaluation:
        """Measures weights, surfaces too, on the patients never used for anything else."""
        cases = self.data.splits["test"]
        with self._on_device() as trainer:
            return trainer.evaluate(weights, cases, surfaces=True, should_stop=should_stop)

    def keep_scores(self, evaluation: Evaluation, *, model: str) -> Path:
        """Writes each patient's scores into the site's own folder; they never leave the site.

        Args:
            evaluation: From `test`.
            model: Name of the model measured.

        Returns:
            The CSV file.
        """
        file = self._run_folder / SCORE_FOLDER / f"{model}.csv"
        write_scores(file, patient_scores(evaluation))
        return file

    def train(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        round_number: int,
        rounds: int,
        validation_dice: float,
        control: Mapping[str, np.ndarray] | None = None,
        should_stop: ShouldStop = lambda: False,
    ) -> RoundResult:
        """Trains for one round, see `Trainer.run_round`, and notes it in the site's history."""
        with self._on_device() as trainer:
            result = trainer.run_round(
                weights,
                state_folder=self.state_folder,
                round_number=round_number,
                rounds=rounds,
                validation_dice=validation_dice,
                control=control,
                should_stop=should_stop,
            )
        note_round(
            self._run_folder / HISTORY_FILE,
            round_number=round_number,
            values={
                "loss": result.loss,
                "seconds": result.seconds,
                "steps": result.steps,
                **_privacy(result.privacy),
            },
        )
        return result

    def picture(self, weights: Mapping[str, np.ndarray], *, name: str) -> np.ndarray | None:
        """Draws a validation slice into the site's own folder and returns it.

        Returns:
            Shape (3, height, width), uint8, RGB; None where there is no case to draw.
        """
        cases = self.data.splits["validation"] or self.data.splits["test"]
        if not cases:
            return None
        file = self._run_folder / PICTURE_FOLDER / f"{name}.png"
        with self._on_device() as trainer:
            return save_picture(trainer, weights, cases[0], file=file)

    def metrics(self, evaluation: Evaluation, *, patients: str = "measured") -> dict[str, Any]:
        """Turns an evaluation into the plain numbers that a site reports.

        Figures by class of fewer patients than the site's `smallest_group` are left out, which the
        log says; see `fedgin.engine.small_groups`.

        Args:
            evaluation: From `validate` or `test`.
            patients: Which patients they are, for the log.

        Returns:
            `dice` (mean over classes), `per_class` and `cases`; Dice is None where unknown or left
            out. Where surfaces were measured, `summary` has by class and metric count, mean, spread
            and histogram over patients, and nothing for a class that is left out.
        """
        smallest = self.site.config.reporting_floor
        reported = report_groups(
            per_class=evaluation.per_class(),
            patients=evaluation.patients_per_class(),
            summary=summarise_scores(patient_scores(evaluation)),
            smallest=smallest,
        )
        if reported.withheld:
            logger.info(
                "site %s, %s patients: %d of %d classes are not reported, for fewer than %d "
                "patients have them: %s",
                self.site.name,
                patients,
                len(reported.withheld),
                len(reported.per_class),
                smallest,
                ", ".join(reported.withheld),
            )
        return {**reported.message(), "cases": len(evaluation.cases)}

    def annotation(self) -> dict[str, Any]:
        """Returns what the site's reports say of the classes that it does not annotate, if any."""
        lacking = list(self.data.not_annotated)
        return {"not_annotated": lacking} if lacking else {}


def _privacy(spent: PrivacySpent | None) -> dict[str, float]:
    """Returns what the history says of private training."""
    return {"sgd_epsilon": spent.epsilon, "sgd_delta": spent.delta} if spent else {}


def none_if_nan(value: float) -> float | None:
    """Replaces nan, which JSON does not know, by None."""
    return None if math.isnan(value) else float(value)
