"""Weighted federated averaging that does not depend on the order of arrival."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.aggregator import Aggregator
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.config import parse
from fedgin.engine.averaging import average_updates, control_update
from fedgin.engine.site_weights import SiteFacts, capped_weights, site_weights, weight_shares
from fedgin.errors import FedginError
from fedgin.federation_settings import FederationSettings, Weighting
from fedgin.flare.context import Contribution, received_contribution, run_folder, run_stopped
from fedgin.flare.record import RecordKeeper, find_record
from fedgin.flare.site_update import Arrays, LateUpdate, check_round, read_update


class OrderedWeightedAggregator(Aggregator):
    """Holds a round's updates and averages them in the order of the sites' names.

    FLARE's own aggregator adds updates as they arrive, so that with three or more sites two runs
    differ in their last bits. Here updates wait for the round to close, in memory up to a limit and
    on disk above it. Statistics of batch normalization are pooled; see
    `fedgin.engine.averaging.average_updates`. What the sites say of their data sets the weights,
    within the server's limit; a site's modality is that of its first message.
    """

    def __init__(
        self,
        spool_above_mb: float = 512.0,
        controls: bool = False,
        weighting: Weighting = "slices",
        max_weight_share: float = 1.0,
        record_id: str = "record",
    ) -> None:
        """Sets limits and form.

        Args:
            spool_above_mb: MB of updates held in memory; further ones wait in a file each.
            controls: Whether the sites send SCAFFOLD's controls along, as FLARE's
                ScatterAndGatherScaffold needs them.
            weighting: What an update counts by; see `fedgin.engine.site_weights`.
            max_weight_share: Largest share of one site in the average, in (0, 1]; 1 is no limit.
            record_id: Component that keeps the run's record.

        Raises:
            ConfigError: A weighting is unknown or a share out of range.
        """
        super().__init__()
        rules = {"weighting": weighting, "max_weight_share": max_weight_share}
        self._rules = parse(FederationSettings, rules, where="the aggregator's arguments")
        self._record_id = record_id
        # A late answer comes in another thread, perhaps while the round is averaged.
        self._lock = threading.Lock()
        self._closed: int | None = None
        self._limit_bytes = spool_above_mb * 1e6
        self._with_controls = controls
        self._updates: dict[str, Callable[[], Arrays]] = {}
        self._controls: dict[str, Callable[[], Arrays]] = {}
        self._facts: dict[str, SiteFacts] = {}
        self._held_bytes = 0
        self._spooled = 0
        self._spool: Path | None = None

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Stops a job without a record when it starts."""
        if event_type == EventType.START_RUN:
            try:
                find_record(fl_ctx, self._record_id)
            except FedginError as error:
                self.system_panic(str(error), fl_ctx)

    def accept(self, shareable: Shareable, fl_ctx: FLContext) -> bool:
        """Takes a site's update; one that breaks a rule is refused, and log and record say why."""
        try:
            contribution = received_contribution(shareable)
        except ValueError as error:
            self.log_error(fl_ctx, f"contribution refused: {error}", fire_event=False)
            return False
        current = int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND))
        keeper = find_record(fl_ctx, self._record_id)
        try:
            with self._lock:
                check_round(contribution, current=current, closed=current == self._closed)
                self._take(contribution, shareable, fl_ctx, keeper)
        except LateUpdate as error:
            self.log_warning(fl_ctx, f"contribution refused: {error}", fire_event=False)
            keeper.note_late(contribution.site, contribution.round_number, str(error))
            return False
        except ValueError as error:
            self.log_error(fl_ctx, f"contribution refused: {error}", fire_event=False)
            keeper.note_refused(contribution.site, current, str(error))
            return False
        return True

    def _take(
        self,
        contribution: Contribution,
        shareable: Shareable,
        fl_ctx: FLContext,
        keeper: RecordKeeper,
    ) -> None:
        update = read_update(contribution, shareable, fl_ctx, controls=self._with_controls)
        site = update.site
        keeper.pin_modality(site, update.facts.modality)
        if site in self._updates:
            raise ValueError(f"{site} answered round {contribution.round_number + 1} twice")
        self._updates[site] = self._keep(site, update.difference, fl_ctx)
        self._facts[site] = update.facts
        if update.control is not None:
            self._controls[site] = self._keep(site, update.control, fl_ctx)

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

        Returns:
            The average; nothing where the run was stopped, since FLARE asks all the same and looks
            for the stop right afterwards.

        Raises:
            RuntimeError: No update was accepted in this round; FLARE then stops the job.
        """
        current = int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND))
        with self._lock:
            self._closed = current
        if run_stopped(fl_ctx):
            self.log_info(fl_ctx, f"round {current + 1} is not averaged", fire_event=False)
            self.reset(fl_ctx)
            return DXO(data_kind=DataKind.COLLECTION, data={}).to_shareable()
        if not self._updates:
            raise RuntimeError(f"no site contributed to round {current + 1}: nothing to aggregate")
        weights = self._weights(fl_ctx, current)
        result = _difference(average_updates(self._updates, weights=weights))
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

    def _weights(self, fl_ctx: FLContext, current: int) -> dict[str, float]:
        claimed = site_weights(self._facts, weighting=self._rules.weighting)
        weights = capped_weights(claimed, max_share=self._rules.max_weight_share)
        find_record(fl_ctx, self._record_id).note_shares(current, weight_shares(weights))
        return weights

    def reset(self, fl_ctx: FLContext) -> None:
        """Forgets the round's updates."""
        self._updates, self._controls, self._facts = {}, {}, {}
        self._held_bytes, self._spooled = 0, 0
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None


def _difference(arrays: Mapping[str, np.ndarray]) -> DXO:
    return DXO(data_kind=DataKind.WEIGHT_DIFF, data=dict(arrays))


def _load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
