"""Differential privacy of a site's updates: clipped, with Gaussian noise, within a budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from nvflare.apis.fl_context import FLContext
from pydantic import Field

from fedgin.config import StrictModel, parse
from fedgin.flare.context import local_folder
from fedgin.flare.filters.base import AnswerOnly, Arrays, FailClosedFilter, note_privacy_loss
from fedgin.flare.filters.task_note import noted_task
from fedgin.flare.site_meta import PRIVACY_BUDGET_SPENT
from fedgin.privacy.budget import BudgetSpentError, PrivacyBudget, Spent
from fedgin.privacy.clipping import clip_update
from fedgin.privacy.gaussian import add_noise, secret_generator
from fedgin.sites.folders import own_state_folder
from fedgin.sites.lookup import load_site

BUDGET_FOLDER = "privacy_budget"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]


class GaussianRules(StrictModel):
    """The numbers of `GaussianUpdate`, under their rules."""

    max_norm: Positive
    noise_multiplier: Positive
    delta: Annotated[float, Field(gt=0, lt=1, strict=True)]
    epsilon_budget: Positive
    epsilon_budget_all_runs: Positive | None = None


class GaussianUpdate(FailClosedFilter):
    """Makes a run's updates of this site (epsilon, delta)-differentially private.

    Protected are all data of the site, and so each patient: data sets are adjacent when they are
    any two that the site could hold, against everybody who sees the updates, the server included.
    The update is clipped to max_norm, so that the sensitivity is 2 max_norm, and every value gets
    noise of standard deviation 2 max_norm noise_multiplier; see `fedgin.privacy.accounting`.

    Outside the bound lie what an update's meta and the metrics say (modality, numbers of cases and
    slices, Dice by class), scalars and pictures for TensorBoard, times, sizes, and whether an
    answer came at all: a refused update is one whose values are not finite.

    The spent budget lies on the site's disk by run and outlives its processes and jobs. When one
    more release would exceed it, the site answers `PRIVACY_BUDGET_SPENT` and no update; the job
    goes on without it where its quorum allows. Full weights and controls are refused.

    Noise can make running variances of batch normalization negative: use instance normalization.
    """

    needs_task = True

    def __init__(
        self,
        max_norm: float,
        noise_multiplier: float,
        delta: float,
        epsilon_budget: float,
        epsilon_budget_all_runs: float | None = None,
        fingerprints: str = "none",
    ) -> None:
        """Sets the numbers.

        Args:
            max_norm: Limit of an update's L2 norm, above 0.
            noise_multiplier: Standard deviation of the noise over 2 max_norm, above 0.
            delta: In (0, 1); well below 1 over the number of patients.
            epsilon_budget: Epsilon that a run may spend at this site, above 0.
            epsilon_budget_all_runs: Epsilon that all runs may spend at this site together; null is
                no limit. A server can start another run: this alone bounds what it learns in all.
            fingerprints: See `FailClosedFilter`; their own epsilon is no part of these budgets.

        Raises:
            ConfigError: A number is out of range.
        """
        super().__init__(fingerprints=fingerprints)
        numbers = {
            "max_norm": max_norm,
            "noise_multiplier": noise_multiplier,
            "delta": delta,
            "epsilon_budget": epsilon_budget,
            "epsilon_budget_all_runs": epsilon_budget_all_runs,
        }
        self._rules = parse(GaussianRules, numbers, where="GaussianUpdate")
        # Never the job's seed: whoever knows it could subtract the noise.
        self.new_generator: Callable[[], np.random.Generator] = secret_generator

    def change(self, update: Arrays, fl_ctx: FLContext) -> Arrays:
        """Pays for the release, clips, and adds noise.

        Raises:
            AnswerOnly: The budget is spent.
        """
        rules = self._rules
        spent = self._charge(fl_ctx)
        exact = {name: array.astype(np.float64) for name, array in update.items()}
        clipped, norm = clip_update(exact, max_norm=rules.max_norm)
        noisy = add_noise(
            clipped,
            standard_deviation=2 * rules.max_norm * rules.noise_multiplier,
            generator=self.new_generator(),
        )
        epsilon = spent.epsilon(delta=rules.delta)
        note_privacy_loss(fl_ctx, epsilon=epsilon, delta=rules.delta)
        self.log_info(
            fl_ctx,
            f"privacy: release {spent.releases} of this run, epsilon {epsilon:.4f} of "
            f"{rules.epsilon_budget:g} at delta {rules.delta:g}; update norm {norm:.4g}, limit "
            f"{rules.max_norm:g}",
            fire_event=False,
        )
        return noisy

    def _charge(self, fl_ctx: FLContext) -> Spent:
        note = noted_task(fl_ctx)
        # A task without a lineage is of a job that cannot be resumed: the job is the run.
        run = (note.lineage if note else None) or f"job {fl_ctx.get_job_id()}"
        budget = PrivacyBudget(budget_folder(fl_ctx))
        rules = self._rules
        try:
            return budget.charge(
                run,
                noise_multiplier=rules.noise_multiplier,
                delta=rules.delta,
                epsilon=rules.epsilon_budget,
                epsilon_of_all=rules.epsilon_budget_all_runs,
            )
        except BudgetSpentError as error:
            self.log_warning(fl_ctx, f"privacy: no update leaves: {error}", fire_event=False)
            raise AnswerOnly(PRIVACY_BUDGET_SPENT) from None


def budget_folder(fl_ctx: FLContext) -> Path:
    """Names the folder of a site's spent budgets.

    It lies beside the states of the runs in the folder that the site's file names, or else in the
    user's own state folder. Never in the kit: FLARE deletes a folder of it at the server's word.
    """
    site = load_site(fl_ctx.get_identity_name(), local_folder=local_folder(fl_ctx))
    root = site.config.state.folder
    folder = own_state_folder() if root is None else Path(root)
    return folder / site.name / BUDGET_FOLDER
