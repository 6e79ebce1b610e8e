"""Federated aggregation that does not depend on the order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants
from nvflare.app_common.app_event_type import AppEventType

from fedgin.config import parse
from fedgin.engine.aggregation import aggregate_updates, describe, shortage
from fedgin.engine.averaging import control_update
from fedgin.engine.round_norms import CONTROLS, accepted_norms, refuse_large
from fedgin.engine.site_weights import capped_weights, site_weights
from fedgin.engine.update_norms import WEIGHTS, update_norms
from fedgin.errors import FedginError
from fedgin.federation_settings import Aggregation, FederationSettings, Weighting, check_controls
from fedgin.flare.context import Contribution, run_folder, run_stopped
from fedgin.flare.held_updates import Arrays, HeldUpdates
from fedgin.flare.record import RecordKeeper, find_record
from fedgin.flare.round_aggregator import RoundAggregator, current_round
from fedgin.flare.site_update import read_update


class OrderedWeightedAggregator(RoundAggregator):
    """Holds a round's updates and makes one of them, in the order of the sites' names.

    FLARE's own aggregator adds updates as they arrive, so that with three or more sites two runs
    differ in their last bits. Here updates wait for the round to close, in memory up to a limit and
    on disk above it. When it closes those are refused whose norm is far above the others'
    (`fedgin.engine.round_norms`), and the rest are averaged or put together by a robust method
    (`fedgin.engine.aggregation`). Statistics of batch normalization are pooled in a mean; see
    `fedgin.engine.averaging.average_updates`. What the sites say of their data sets the weights,
    within the server's limit; a site's modality is that of its first message.

    It must stand in the job before the components that count a round's contributions.
    """

    def __init__(
        self,
        spool_above_mb: float = 512.0,
        controls: bool = False,
        weighting: Weighting = "slices",
        max_weight_share: float = 1.0,
        record_id: str = "record",
        aggregation: Aggregation = "mean",
        trim: float | None = None,
        clip_norm: float | None = None,
        byzantine: int | None = None,
        update_gate: Mapping[str, Any] | None = None,
    ) -> None:
        """Sets limits and form.

        Args:
            spool_above_mb: MB of updates held in memory; further ones wait in a file each.
            controls: Whether the sites send SCAFFOLD's controls along, as FLARE's
                ScatterAndGatherScaffold needs them.
            weighting: What an update counts by; see `fedgin.engine.site_weights`.
            max_weight_share: Largest share of one site in the average, in (0, 1]; 1 is no limit.
            record_id: Component that keeps the run's record.
            aggregation: How updates become one; see `fedgin.engine.aggregation`.
            trim: As in `fedgin.federation_settings.FederationSettings`; so are the others.
            clip_norm: See there.
            byzantine: See there.
            update_gate: `{"enabled": true, "factor": 5.0, "rounds": 3}`.

        Raises:
            ConfigError: A rule is unknown, out of range or fits no other.
        """
        super().__init__(record_id)
        rules = {
            "weighting": weighting,
            "max_weight_share": max_weight_share,
            "aggregation": aggregation,
            "trim": trim,
            "clip_norm": clip_norm,
            "byzantine": byzantine,
            "update_gate": {} if update_gate is None else update_gate,
        }
        where = "the aggregator's arguments"
        self._rules = parse(FederationSettings, rules, where=where)
        if controls:
            check_controls(self._rules, where=where)
        self._with_controls = controls
        self._held = HeldUpdates(spool_above_mb * 1e6)
        self._updates: dict[str, Callable[[], Arrays]] = {}
        self._controls: dict[str, Callable[[], Arrays]] = {}
        self._norms: dict[str, dict[str, float]] = {}
        self._refused: set[str] = set()

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Stops a job without a record when it starts, and one that lacks sites in a round."""
        if event_type == EventType.START_RUN:
            try:
                find_record(fl_ctx, self._record_id)
            except FedginError as error:
                self.system_panic(str(error), fl_ctx)
        elif event_type == AppEventType.BEFORE_AGGREGATION and not run_stopped(fl_ctx):
            self._close(fl_ctx)
            if self._updates and (reason := self._shortage(fl_ctx)):
                self.system_panic(reason, fl_ctx)

    def _note_refused(self, site: str) -> None:
        self._refused.add(site)

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
        norms = update_norms(update.difference)
        difference = self._keep(site, update.difference, fl_ctx)
        if update.control is not None:
            self._controls[site] = self._keep(site, update.control, fl_ctx)
            norms[CONTROLS] = update_norms(update.control).get(WEIGHTS, 0.0)
        # Last, so that a full disk leaves no half of an answer.
        self._updates[site], self._facts[site], self._norms[site] = difference, update.facts, norms

    def _keep(self, site: str, update: Arrays, fl_ctx: FLContext) -> Callable[[], Arrays]:
        load, on_disk = self._held.keep(update, run_folder(fl_ctx))
        if on_disk:
            words = f"update of {site} waits on disk: {on_disk} bytes"
            self.log_info(fl_ctx, words, fire_event=False)
        return load

    def _close(self, fl_ctx: FLContext) -> None:
        """Ends a round, once: what comes from now on is late, and what is too large is refused."""
        current = current_round(fl_ctx)
        if not self._close_once(current):
            return
        keeper = find_record(fl_ctx, self._record_id)
        keeper.note_aggregation(describe(self._rules))
        keeper.note_norms(current, self._norms)
        gate = self._rules.update_gate
        if not gate.enabled:
            return
        with keeper.lock:
            past = accepted_norms(keeper.record.norms, keeper.record.contributions, before=current)
        refused = refuse_large(self._norms, accepted=past, factor=gate.factor, rounds=gate.rounds)
        for site, reason in refused.items():
            self.log_error(fl_ctx, f"contribution refused: {reason}", fire_event=False)
            keeper.withdraw(site, current, reason)
            self._refused.add(site)
            for part in (self._updates, self._facts, self._norms, self._controls):
                part.pop(site, None)

    def _shortage(self, fl_ctx: FLContext) -> str | None:
        number = current_round(fl_ctx) + 1
        reason = shortage(self._rules, accepted=len(self._updates), refused=self._n_refused())
        return f"round {number}: {reason}" if reason else None

    def _n_refused(self) -> int:
        """Counts the sites without an accepted update: a second one may have been refused."""
        return len(self._refused - self._updates.keys())

    def aggregate(self, fl_ctx: FLContext) -> Shareable:
        """Makes one update of the round's.

        Returns:
            The aggregate; nothing where the run was stopped, since FLARE asks all the same and
            looks for the stop right afterwards.

        Raises:
            RuntimeError: No update was accepted in this round, or too few; FLARE then stops the
                job.
        """
        current = current_round(fl_ctx)
        if run_stopped(fl_ctx):
            self._close_once(current)
            self.log_info(fl_ctx, f"round {current + 1} is not averaged", fire_event=False)
            self.reset(fl_ctx)
            return DXO(data_kind=DataKind.COLLECTION, data={}).to_shareable()
        self._close(fl_ctx)
        if not self._updates:
            raise RuntimeError(f"no site contributed to round {current + 1}: nothing to aggregate")
        if reason := self._shortage(fl_ctx):
            raise RuntimeError(reason)
        claimed = site_weights(self._facts, weighting=self._rules.weighting)
        weights = capped_weights(claimed, max_share=self._rules.max_weight_share)
        made, shares = aggregate_updates(
            self._updates, rules=self._rules, weights=weights, refused=self._n_refused()
        )
        find_record(fl_ctx, self._record_id).note_shares(current, shares)
        result = _difference(made)
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
        self._updates, self._controls, self._facts = {}, {}, {}
        self._norms, self._refused = {}, set()
        self._held.clear()


def _difference(arrays: Mapping[str, np.ndarray]) -> DXO:
    return DXO(data_kind=DataKind.WEIGHT_DIFF, data=dict(arrays))
