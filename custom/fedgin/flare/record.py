"""Keeping the run's record on the server, from FLARE's events."""

from __future__ import annotations

from nvflare.apis.dxo import DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants, DefaultCheckpointFileName
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.errors import FedginError
from fedgin.flare.context import job_settings, received_contribution
from fedgin.flare.job_files import carried_model
from fedgin.release.card import CARD_FILE, read_card
from fedgin.report.run_record import RunRecord, SiteMetrics

RELEASED_MODEL = "released"
MODEL_NAMES = {
    f"SRV_{RELEASED_MODEL}": RELEASED_MODEL,
    f"SRV_{DefaultCheckpointFileName.BEST_GLOBAL_MODEL}": "best",
    f"SRV_{DefaultCheckpointFileName.GLOBAL_MODEL}": "last",
}


class RecordKeeper(Widget):
    """Writes down who contributed when and what the sites measured."""

    def __init__(self) -> None:
        """Starts an empty record."""
        super().__init__()
        self.record = RunRecord()
        self._restored = False

    def restore(self, record: RunRecord) -> None:
        """Goes on with the record of the run that a job continues."""
        self.record = record
        self._restored = True

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Takes note of what an event says."""
        if event_type == EventType.START_RUN:
            self._start(fl_ctx)
        elif event_type == AppEventType.TRAINING_STARTED:
            first = int(fl_ctx.get_prop(AppConstants.START_ROUND, 0))
            if not self._restored:
                self.record.first_round = first
            rounds = first + int(fl_ctx.get_prop(AppConstants.NUM_ROUNDS, 0))
            self.record.planned_rounds = rounds - self.record.first_round
        elif event_type == AppEventType.ROUND_STARTED:
            present = {client.name for client in fl_ctx.get_engine().get_clients()}
            self.record.sites = sorted(present | set(self.record.sites))
            self.record.contributions[int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND))] = []
        elif event_type == AppEventType.AFTER_CONTRIBUTION_ACCEPT:
            self._contribution(fl_ctx)
        elif event_type == AppEventType.ROUND_DONE:
            self.record.finished_rounds += 1
        elif event_type == AppEventType.SEND_MODEL_FOR_VALIDATION:
            # Without training this is where it shows who should take part.
            measuring = fl_ctx.get_prop(AppConstants.PARTICIPATING_CLIENTS, [])
            self.record.sites = sorted({*measuring, *self.record.sites})
        elif event_type == AppEventType.VALIDATION_RESULT_RECEIVED:
            self._evaluation(fl_ctx)
        elif event_type == EventType.FATAL_SYSTEM_ERROR:
            reason = str(fl_ctx.get_prop(FLContextKey.EVENT_DATA, "unknown reason"))
            self.record.problems.append(f"the job was stopped: {reason}")

    def _start(self, fl_ctx: FLContext) -> None:
        try:
            training = job_settings(fl_ctx).training
            if (folder := carried_model(fl_ctx)) is not None:
                self.record.started_from = read_card(folder / CARD_FILE).weights.sha256
        except FedginError:
            return  # the persistor stops the job and says why
        title = f"federated {training.task}, augmentation {training.augmentation}"
        if training.algorithm != "fedavg":
            title += f", algorithm {training.algorithm}"
        if self.record.started_from is not None:
            title += f", from model {self.record.started_from[:16]}"
        self.record.title = title

    def _contribution(self, fl_ctx: FLContext) -> None:
        if not fl_ctx.get_prop(AppConstants.AGGREGATION_ACCEPTED):
            return
        contribution = received_contribution(fl_ctx.get_prop(AppConstants.TRAINING_RESULT))
        number, site = contribution.round_number, contribution.site
        self.record.contributions.setdefault(number, []).append(site)
        slices = contribution.dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND)
        self.record.training_slices[site] = int(slices)
        message = contribution.dxo.get_meta_prop(MetaKey.INITIAL_METRICS)
        try:
            # Measured before round n (from 0): the global model after n rounds.
            metrics = SiteMetrics.from_message(message)
            self.record.validation.setdefault(number, {})[site] = metrics
        except ValueError as error:
            self.record.problems.append(f"round {number + 1}: metrics of {site} unread: {error}")

    def _evaluation(self, fl_ctx: FLContext) -> None:
        model = MODEL_NAMES.get(fl_ctx.get_prop(AppConstants.MODEL_OWNER))
        site = fl_ctx.get_prop(AppConstants.DATA_CLIENT)
        if model is None:
            return  # a site's own model, in a job that asks for them
        try:
            dxo = from_shareable(fl_ctx.get_prop(AppConstants.VALIDATION_RESULT))
            if dxo.data_kind != DataKind.METRICS:
                raise ValueError(f"{dxo.data_kind} instead of metrics")
            self.record.final.setdefault(model, {})[site] = SiteMetrics.from_message(dxo.data)
        except ValueError as error:
            self.record.problems.append(f"{model} model: evaluation of {site} unread: {error}")
