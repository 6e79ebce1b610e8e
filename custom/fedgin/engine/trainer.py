"""One site's work: a round of training as a function of weights, state folder and round."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fedgin.data.prepare import PreparedCase
from fedgin.engine.batches import Batches
from fedgin.engine.dp_sgd import build_private_steps
from fedgin.engine.evaluator import Aborted, Evaluation, evaluate
from fedgin.engine.objectives import build_objective
from fedgin.engine.optimization import LearningRate, build_optimizer
from fedgin.engine.round_result import RoundResult, TrainingError, check_finite
from fedgin.engine.state import load_newest_state, load_state, save_state
from fedgin.engine.teacher import build_teacher
from fedgin.engine.weights import get_weights, set_weights, subtract
from fedgin.engine.windows import WindowBatch
from fedgin.losses import build_loss
from fedgin.losses.views import ViewLoss
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings

__all__ = ["RoundResult", "Trainer", "TrainingError"]

logger = logging.getLogger(__name__)

KEPT = "kept_by_algorithm"


class Trainer:
    """Trains one network on one set of cases: a site's own, or several sites' pooled."""

    def __init__(
        self,
        *,
        settings: ResolvedSettings,
        site: str,
        cases: Sequence[PreparedCase],
        device: torch.device,
        steps_per_round: int | None = None,
    ) -> None:
        """Builds network, sampler, augmentation and the algorithm's share once.

        Args:
            settings: Settings of the run.
            site: Name that the draws depend on.
            cases: Cases to train on; none where the trainer only measures.
            device: Where network and batches live.
            steps_per_round: Optimizer steps of a round; by default those of the settings.

        Raises:
            ConfigError: The settings do not fit each other.
        """
        self.settings = settings
        self.device = device
        self.network = build_network(settings).to(device)
        self.objective = build_objective(settings.training, self.network)
        self.windows = WindowBatch(settings.training.window_batch)
        self._steps = steps_per_round or settings.training.steps_per_round
        self._batches = Batches(settings=settings, site=site, cases=cases, device=device)
        views = self._batches.views
        self.teacher = build_teacher(settings, supervised=views.supervised)
        loss: nn.Module = ViewLoss(
            build_loss(), supervised=views.supervised, consistency=views.consistency
        )
        self._loss = (self.teacher.wrap(loss) if self.teacher else loss).to(device)
        self._private = build_private_steps(
            settings=settings,
            network=self.network,
            loss=self._loss,
            cases=cases,
            augment=self._batches.augment,
            context=self._context,
        )

    def run_round(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        state_folder: Path,
        round_number: int,
        rounds: int,
        validation_dice: float = float("nan"),
        control: Mapping[str, np.ndarray] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RoundResult:
        """Trains from given weights for one round.

        The result depends on nothing but the arguments, the settings, the cases and the state that
        the round before left in the folder.

        Args:
            weights: The global weights.
            state_folder: Where optimizer, scaler, schedule and what the algorithm keeps survive
                between rounds.
            round_number: The round, from 0.
            rounds: Rounds of the whole run, for the learning rate.
            validation_dice: The site's validation Dice of these weights, for `plateau`.
            control: The global control, with algorithm `scaffold`.
            should_stop: Asked before every step.

        Raises:
            Aborted: `should_stop` said so; the state on disk is that before the round.
            WeightsError: The weights are not this network's.
            ConfigError: The algorithm needs a control and there is none.
            TrainingError: The loss is not finite.
            PrivacyBudgetError: With `dp_sgd`, the round would cost more than the budget.
        """
        training = self.settings.training
        if self._private:
            self._private.check(state_folder, round_number=round_number, steps=self._steps)
        state = load_state(state_folder, before_round=round_number, device=self.device)
        kept = state.get(KEPT, {}) if state else {}
        set_weights(self.network, self.objective.starting_weights(weights, kept))
        self.objective.before_round(self.network, kept, control)
        if self.teacher:
            self.teacher.before_round(
                self.network, self._loss, round_number=round_number, rounds=rounds
            )
        optimizer = build_optimizer(self.network, training)
        half = self.device.type == "cuda" and not self._private
        scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        rate = LearningRate(training)
        if state:
            optimizer.load_state_dict(state["optimizer"])
            scaler.load_state_dict(state["scaler"])
            rate.load_state_dict(state["learning_rate"])
        rate.after_validation(validation_dice)

        start = time.perf_counter()
        self.network.train()
        total = torch.zeros((), device=self.device)
        current, with_data = 0.0, 0
        for step in range(self._steps):
            if should_stop():
                raise Aborted
            current = rate.at(
                step=round_number * self._steps + step, total_steps=rounds * self._steps
            )
            for group in optimizer.param_groups:
                group["lr"] = current
            step_loss = self.take_step(round_number, step, optimizer, scaler)
            if step_loss is not None:
                total += step_loss
                with_data += 1
        loss = float(total) / with_data if with_data else math.nan
        seconds = time.perf_counter() - start
        difference = subtract(get_weights(self.network), weights)
        check_finite(loss if with_data else 0.0, difference, round_number=round_number)
        privacy = None
        if self._private:
            privacy = self._private.spend(
                state_folder, round_number=round_number, steps=self._steps
            )
        save_state(
            state_folder,
            round_number=round_number,
            state={
                "optimizer": optimizer.state_dict(),
                "scaler": scaler.state_dict(),
                "learning_rate": rate.state_dict(),
                "round": round_number,
                KEPT: self.objective.state(self.network),
            },
        )
        return RoundResult(
            difference=difference,
            loss=loss,
            learning_rate=current,
            steps=self._steps,
            seconds=seconds,
            control_difference=self.objective.control_difference(self.network),
            privacy=privacy,
        )

    def starting_weights(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        state_folder: Path,
        before_round: int | None = None,
    ) -> Mapping[str, np.ndarray]:
        """Returns what this site would train on from, and so evaluates, given the global weights.

        They are the global weights but with algorithm `fedbn`.

        Args:
            weights: The global weights.
            state_folder: As for `run_round`.
            before_round: The round that comes next; None after the last.
        """
        if not self.objective.personal:
            return weights
        state = load_newest_state(state_folder, before_round=before_round, device=self.device)
        return self.objective.starting_weights(weights, state.get(KEPT, {}) if state else {})

    def evaluate(
        self,
        weights: Mapping[str, np.ndarray],
        cases: Sequence[PreparedCase],
        *,
        surfaces: bool = False,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Evaluation:
        """Measures given weights on whole volumes; see `fedgin.engine.evaluator.evaluate`."""
        set_weights(self.network, weights)
        return evaluate(
            self.network,
            cases,
            settings=self.settings,
            device=self.device,
            surfaces=surfaces,
            windows=self.windows,
            should_stop=should_stop,
        )

    def batch(self, round_number: int, step: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draws, cuts and augments one batch, on the device; see `Batches.draw`."""
        return self._batches.draw(round_number, step)

    def take_step(
        self,
        round_number: int,
        step: int,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ) -> Tensor | None:
        """Draws a batch and takes one optimizer step on it, a private one with `dp_sgd`.

        Returns:
            The loss, on the device; None where a private step found nobody to take part.
        """
        if self._private is None:
            images, labels, known = self.batch(round_number, step)
            return self.step(images, labels, optimizer, scaler, known=known)
        loss = self._private.set_gradients()
        self.objective.after_backward(self.network)
        optimizer.step()
        self.objective.after_step(self.network, optimizer.param_groups[0]["lr"])
        return loss

    def step(
        self,
        images: Tensor,
        labels: Tensor,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        *,
        known: Tensor | None = None,
    ) -> Tensor:
        """Takes one optimizer step on what `batch` returned; the loss stays on the device."""
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=scaler.is_enabled()):
            scores = self.network(images)
            context = self._context(images, known)
        loss: Tensor = self._loss(scores, labels, **context)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        self.objective.after_backward(self.network)
        torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.settings.training.gradient_clip
        )
        scaler.step(optimizer)
        scaler.update()
        self.objective.after_step(self.network, optimizer.param_groups[0]["lr"])
        return loss.detach()

    def _context(self, images: Tensor, known: Tensor | None) -> dict[str, Tensor]:
        """Collects what the loss is told beside scores and labels; nothing where all is known."""
        if known is None:
            return {}
        taught = None
        if self.teacher:
            taught = self.teacher.scores(images, samples=known.shape[0])
        return {"known": known} if taught is None else {"known": known, "teacher": taught}
