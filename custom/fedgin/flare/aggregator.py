"""Weighted federated averaging that does not depend on the order of arrival."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.aggregator import Aggregator
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.engine.averaging import average_updates, control_update
from fedgin.flare.context import run_folder
from fedgin.flare.site_update import Arrays, read_update


class OrderedWeightedAggregator(Aggregator):
    """Holds a round's updates and averages them in the order of the sites' names.

    FLARE's own aggregator adds updates as they arrive, so that with three or more sites two runs
    differ in their last bits. Here updates wait for the round to close, in memory up to a limit and
    on disk above it. Statistics of batch normalization are pooled; see
    `fedgin.engine.averaging.average_updates`.
    """

    def __init__(self, spool_above_mb: float = 512.0, controls: bool = False) -> None:
        """Sets limit and form.

        Args:
            spool_above_mb: MB of updates held in memory; further ones wait in a file each.
            controls: Whether the sites send SCAFFOLD's controls along, as FLARE's
                ScatterAndGatherScaffold needs them.
        """
        super().__init__()
        self._limit_bytes = spool_above_mb * 1e6
        self._with_controls = controls
        self._updates: dict[str, Callable[[], Arrays]] = {}
        self._controls: dict[str, Callable[[], Arrays]] = {}
        self._weights: dict[str, float] = {}
        self._held_bytes = 0
        self._spooled = 0
        self._spool: Path | None = None

    def accept(self, shareable: Shareable, fl_ctx: FLContext) -> bool:
        """Takes a site's update; one that breaks a rule is logged with the reason and refused."""
        try:
            update = read_update(shareable, fl_ctx, controls=self._with_controls)
            if update.site in self._updates:
                current = fl_ctx.get_prop(AppConstants.CURRENT_ROUND)
                raise ValueError(f"{update.site} answered round {current} twice")
        except ValueError as error:
            self.log_error(fl_ctx, f"contribution refused: {error}", fire_event=False)
            return False
        self._updates[update.site] = self._keep(update.site, update.difference, fl_ctx)
        self._weights[update.site] = update.weight
        if update.control is not None:
            self._controls[update.site] = self._keep(update.site, update.control, fl_ctx)
        return True

    def _keep(self, site: str, update: Arrays, fl_ctx: FLContext) -> Callable[[], Arrays]:
        size = sum(np.asarray(array).nbytes for array in update.values())
        if self._held_bytes + size <= self._limit_bytes:
            self._held_bytes += size
            return lambda: update
        if self._spool is None:
            self._spool = Path(tempfile.mkdtemp(prefix="spool-", dir=run_folder(fl_ctx)))
        file = self._spool / f"{self._spooled}.npz"
        self._spooled += 1
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
        result = _difference(average_updates(self._updates, weights=self._weights))
        if self._with_controls:
            n_sites = max(len(fl_ctx.get_engine().get_clients()), len(self._controls))
            parts = {
                AppConstants.MODEL_WEIGHTS: result,
                AlgorithmConstants.SCAFFOLD_CTRL_DIFF: _difference(
                    control_update(self._controls, n_sites=n_sites)
                ),
            }
            result = DXO(data_kind=DataKind.COLLECTION, data=parts)
        self.log_info(fl_ctx, f"averaged {sorted(self._updates)}", fire_event=False)
        self.reset(fl_ctx)
        return result.to_shareable()

    def reset(self, fl_ctx: FLContext) -> None:
        """Forgets the round's updates."""
        self._updates, self._controls, self._weights = {}, {}, {}
        self._held_bytes, self._spooled = 0, 0
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None


def _difference(arrays: Mapping[str, np.ndarray]) -> DXO:
    return DXO(data_kind=DataKind.WEIGHT_DIFF, data=dict(arrays))


def _load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
