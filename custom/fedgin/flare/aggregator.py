"""Weighted federated averaging that does not depend on the order of arrival."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.aggregator import Aggregator
from nvflare.app_common.abstract.model import ModelLearnable, ModelLearnableKey
from nvflare.app_common.app_constant import AppConstants

from fedgin.engine.averaging import weighted_mean
from fedgin.flare.context import Contribution, received_contribution, run_folder


class OrderedWeightedAggregator(Aggregator):
    """Holds a round's updates and averages them in the order of the sites' names.

    FLARE's own aggregator adds updates as they arrive, so that with three or more sites two runs
    differ in their last bits. Here updates wait for the round to close, in memory up to a limit and
    on disk above it.
    """

    def __init__(self, spool_above_mb: float = 512.0) -> None:
        """Sets the limit.

        Args:
            spool_above_mb: MB of updates held in memory; further ones wait in a file each.
        """
        super().__init__()
        self._limit_bytes = spool_above_mb * 1e6
        self._updates: dict[str, Callable[[], Mapping[str, np.ndarray]]] = {}
        self._weights: dict[str, float] = {}
        self._held_bytes = 0
        self._spool: Path | None = None

    def accept(self, shareable: Shareable, fl_ctx: FLContext) -> bool:
        """Takes a site's update; one that breaks a rule is logged with the reason and refused."""
        try:
            contribution = received_contribution(shareable)
            weight = self._check(contribution, shareable, fl_ctx)
        except ValueError as error:
            self.log_error(fl_ctx, f"contribution refused: {error}", fire_event=False)
            return False
        site = contribution.site
        self._updates[site] = self._keep(site, contribution.dxo.data, fl_ctx)
        self._weights[site] = weight
        return True

    def _check(self, contribution: Contribution, shareable: Shareable, fl_ctx: FLContext) -> float:
        code = shareable.get_return_code()
        if code and code != ReturnCode.OK:
            raise ValueError(f"{contribution.site} answered {code}")
        current = fl_ctx.get_prop(AppConstants.CURRENT_ROUND)
        if contribution.round_number != current:
            raise ValueError(
                f"{contribution.site} answered round {contribution.round_number} in round {current}"
            )
        if contribution.site in self._updates:
            raise ValueError(f"{contribution.site} answered round {current} twice")
        dxo = contribution.dxo
        if dxo.data_kind != DataKind.WEIGHT_DIFF or not dxo.data:
            raise ValueError(f"{contribution.site} sent {dxo.data_kind}, not a weight difference")
        if broken := [name for name, array in dxo.data.items() if not _is_finite(array)]:
            raise ValueError(f"{contribution.site} sent values that are not finite in {broken[:3]}")
        _check_shapes(contribution, fl_ctx.get_prop(AppConstants.GLOBAL_MODEL))
        weight = dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND)
        if not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight <= 0:
            raise ValueError(f"{contribution.site} sent the weight {weight!r}, not above 0")
        return float(weight)

    def _keep(
        self, site: str, update: Mapping[str, np.ndarray], fl_ctx: FLContext
    ) -> Callable[[], Mapping[str, np.ndarray]]:
        size = sum(np.asarray(array).nbytes for array in update.values())
        if self._held_bytes + size <= self._limit_bytes:
            self._held_bytes += size
            return lambda: update
        if self._spool is None:
            self._spool = Path(tempfile.mkdtemp(prefix="spool-", dir=run_folder(fl_ctx)))
        file = self._spool / f"{len(self._updates)}.npz"
        arrays: dict[str, Any] = {name: np.asarray(array) for name, array in update.items()}
        np.savez(file, **arrays)
        self.log_info(fl_ctx, f"update of {site} waits on disk: {size} bytes", fire_event=False)
        return lambda: _load(file)

    def aggregate(self, fl_ctx: FLContext) -> Shareable:
        """Averages the updates of the round.

        Raises:
            RuntimeError: No update was accepted in this round; FLARE then stops the job.
        """
        current = fl_ctx.get_prop(AppConstants.CURRENT_ROUND)
        if not self._updates:
            raise RuntimeError(f"no site contributed to round {current}: nothing to aggregate")
        mean = weighted_mean(self._updates, weights=self._weights)
        self.log_info(fl_ctx, f"averaged {sorted(self._updates)}", fire_event=False)
        self.reset(fl_ctx)
        return DXO(data_kind=DataKind.WEIGHT_DIFF, data=mean).to_shareable()

    def reset(self, fl_ctx: FLContext) -> None:
        """Forgets the round's updates."""
        self._updates, self._weights, self._held_bytes = {}, {}, 0
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None


def _check_shapes(contribution: Contribution, model: ModelLearnable | None) -> None:
    """Compares an update with the global model, which it must fit array by array."""
    if model is None:
        return
    weights, update = model[ModelLearnableKey.WEIGHTS], contribution.dxo.data
    if odd := sorted(weights.keys() ^ update.keys()):
        raise ValueError(f"{contribution.site} sent other arrays than the model's: {odd[:3]}")
    odd = [name for name in weights if np.shape(weights[name]) != np.shape(update[name])]
    if odd:
        raise ValueError(f"{contribution.site} sent arrays of other shapes: {odd[:3]}")


def _is_finite(array: Any) -> bool:
    numbers = np.asarray(array)
    return numbers.dtype.kind in "fiu" and bool(np.isfinite(numbers).all())


def _load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
