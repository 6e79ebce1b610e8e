"""A site that poisons: a Learner for jobs of the tests, and its arithmetic for tests without FLARE.

A job may name any class: this file lies in such a job's app/custom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from nvflare.apis.dxo import MetaKey, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants

from fedgin.flare.learner import SiteLearner
from fedgin.flare.site_meta import CASES, LARGEST, SLICES

SIGN_FLIP, NAN, INFLATED, LABEL_FLIP = "sign_flip", "nan", "inflated_steps", "label_flip"
ATTACKS = (SIGN_FLIP, NAN, INFLATED, LABEL_FLIP)


def poisoned(
    update: Mapping[str, np.ndarray], attack: str, *, factor: float = 10.0
) -> dict[str, np.ndarray]:
    """Returns what a site sends instead of its update.

    Args:
        update: Weights after its round minus the global ones.
        attack: `sign_flip` sends the update times -factor, `nan` one value that is none; the others
            leave the update as it is.
        factor: Size of a flipped update.
    """
    made = {name: np.array(array, dtype=np.float32) for name, array in update.items()}
    if attack == SIGN_FLIP:
        return {name: np.asarray(array * np.float32(-factor)) for name, array in made.items()}
    if attack == NAN:
        first = min(made)
        made[first] = np.full_like(made[first], np.nan)
    return made


def flipped_labels(label: np.ndarray, n_classes: int) -> np.ndarray:
    """Turns the classes of a label map around: the first becomes the last."""
    flipped: np.ndarray = (n_classes - 1 - label).astype(label.dtype)
    return flipped


class PoisoningLearner(SiteLearner):
    """One site attacks in some rounds, and is honest in the others."""

    def __init__(
        self,
        site: str,
        attacks: Mapping[str, str],
        factors: Mapping[str, float] | None = None,
        log_writer_id: str = "log_writer",
    ) -> None:
        """Plans the attacks.

        Args:
            site: Name of the site.
            attacks: By round, from "0", one of `ATTACKS`.
            factors: By round the size of a flipped update, 10 if there is none.
            log_writer_id: As for `SiteLearner`.
        """
        super().__init__(log_writer_id)
        if unknown := set(attacks.values()) - set(ATTACKS):
            raise ValueError(f"unknown attacks {sorted(unknown)}; known: {ATTACKS}")
        self._site = site
        self._attacks = dict(attacks)
        self._factors = dict(factors or {})

    def train(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Trains honestly, but perhaps on wrong labels, and sends what the attack asks for."""
        number = str(data.get_header(AppConstants.CURRENT_ROUND))
        attack = self._attacks.get(number)
        if attack is None or fl_ctx.get_identity_name() != self._site:
            return super().train(data, fl_ctx, abort_signal)
        if attack == LABEL_FLIP:
            self._flip_labels()
        reply = super().train(data, fl_ctx, abort_signal)
        if reply.get_return_code() not in (None, ReturnCode.OK):
            return reply
        dxo = from_shareable(reply)
        dxo.data = poisoned(dxo.data, attack, factor=self._factors.get(number, 10.0))
        if attack == INFLATED:
            for key in (SLICES, CASES, MetaKey.NUM_STEPS_CURRENT_ROUND):
                dxo.set_meta_prop(key, int(LARGEST))
        dxo.update_shareable(reply)
        return reply

    def _flip_labels(self) -> None:
        work: Any = self._work
        if work is None or getattr(work, "labels_flipped", False):
            return
        n_classes = work.trainer.settings.task.n_classes
        work.labels_flipped = True
        work.trainer._cases = [
            replace(case, label=flipped_labels(case.label, n_classes))
            for case in work.data.splits["train"]
        ]
        work.trainer.__dict__.pop("_sampler", None)
