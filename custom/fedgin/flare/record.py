"""Keeping the run's record on the server, from FLARE's events."""

from __future__ import annotations

import threading
from typing import Any

from nvflare.apis.dxo import DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.app_constant import AppConstants, DefaultCheckpointFileName
from nvflare.app_common.app_event_type import AppEventType
from nvflare.widgets.widget import Widget

from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.flare.context import job_settings, received_contribution
from fedgin.flare.job_files import carried_model
from fedgin.flare.site_meta import read_meta, read_privacy
from fedgin.release.card import CARD_FILE, read_card
from fedgin.report.run_record import RunRecord, SiteMetrics

RELEASED_MODEL = "released"
MODEL_NAMES = {
    f"SRV_{RELEASED_MODEL}": RELEASED_MODEL,
    f"SRV_{DefaultCheckpointFileName.BEST_GLOBAL_MODEL}": "best",
    f"SRV_{DefaultCheckpointFileName.GLOBAL_MODEL}": "last",
}

LONGEST_REASON = 200
"""Letters kept of a reason, which may quote what a site sent."""


class RecordKeeper(Widget):
    """Writes down who contributed when and what the sites measured.

    Sites are heard in threads of their own: whoever reads the whole record holds `lock`.
    """

    def __init__(self) -> None:
        """Starts an empty record."""
        super().__init__()
        self.record = RunRecord()
        self.lock = threading.RLock()
        self._restored = False
        self._stopped = False
        self._withdrawn: set[tuple[int, str]] = set()

    def restore(self, record: RunRecord) -> None:
        """Goes on with the record of the run that a job continues."""
        self.record = record
        self._restored = True

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Takes note of what an event says."""
        with self.lock:
            self._handle(event_type, fl_ctx)

    def _handle(self, event_type: str, fl_ctx: FLContext) -> None:
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
            self._begin(int(fl_ctx.get_prop(AppConstants.CURRENT_ROUND)))
        elif event_type == AppEventType.BEFORE_TRAIN_TASK:
            self._task_taken(fl_ctx)
        elif event_type == EventType.BEFORE_PROCESS_SUBMISSION:
            self._answer(fl_ctx)
        elif event_type == AppEventType.AFTER_CONTRIBUTION_ACCEPT:
            self._contribution(fl_ctx)
        elif event_type == AppEventType.ROUND_DONE:
            self.record.finished_rounds += 1
        elif event_type == AppEventType.SEND_MODEL_FOR_VALIDATION:
            self._heard_again(fl_ctx.get_prop(AppConstants.DATA_CLIENT).name, "final evaluation")
            # Without training this is where it shows who should take part.
            measuring = fl_ctx.get_prop(AppConstants.PARTICIPATING_CLIENTS, [])
            self.record.sites = sorted({*measuring, *self.record.sites})
        elif event_type == AppEventType.VALIDATION_RESULT_RECEIVED:
            self._evaluation(fl_ctx)
        elif event_type == EventType.FATAL_SYSTEM_ERROR and not self._stopped:
            # What else goes wrong while a run ends follows from the first reason.
            self._stopped = True
            reason = str(fl_ctx.get_prop(FLContextKey.EVENT_DATA, "unknown reason"))
            self.record.problems.append(f"the job was stopped: {reason}")

    def pin_modality(self, site: str, modality: str) -> None:
        """Keeps the modality that a site first names; see `RunRecord.pin_modality`."""
        with self.lock:
            self.record.pin_modality(site, modality)

    def note_refused(self, site: str, number: int, reason: str) -> None:
        """Keeps why a site's answer to a round (from 0) was refused."""
        with self.lock:
            self.record.refused.setdefault(number, {})[site] = reason[:LONGEST_REASON]

    def note_late(self, site: str, number: int, reason: str) -> None:
        """Keeps that a site's answer to a round (from 0) missed its end."""
        with self.lock:
            if site not in self.record.contributions.get(number, []):
                self.record.late.setdefault(number, {})[site] = reason[:LONGEST_REASON]

    def note_shares(self, number: int, shares: dict[str, float]) -> None:
        """Keeps what part of a round's average each site made."""
        with self.lock:
            self.record.shares[number] = dict(shares)

    def note_norms(self, number: int, norms: dict[str, dict[str, float]]) -> None:
        """Keeps the norms of a round's updates, those that are about to be refused too."""
        with self.lock:
            self.record.norms[number] = {site: dict(found) for site, found in norms.items()}

    def note_aggregation(self, words: str) -> None:
        """Keeps how updates become one."""
        with self.lock:
            self.record.aggregation = words

    def withdraw(self, site: str, number: int, reason: str) -> None:
        """Turns an accepted contribution to a round (from 0) into a refused one.

        What the site said of the model goes with it.
        """
        with self.lock:
            record = self.record
            self._withdrawn.add((number, site))
            given = record.contributions.setdefault(number, [])
            record.contributions[number] = [other for other in given if other != site]
            record.validation.get(number, {}).pop(site, None)
            if not any(site in sites for sites in record.contributions.values()):
                record.training_slices.pop(site, None)
            self.note_refused(site, number, reason)

    def _begin(self, number: int) -> None:
        record = self.record
        # A job that goes on begins a round anew that was broken off.
        record.contributions[number], record.started[number] = [], []
        by_round = (record.refused, record.late, record.shares, record.norms, record.privacy)
        for part in by_round:
            part.pop(number, None)

    def _task_taken(self, fl_ctx: FLContext) -> None:
        peer = fl_ctx.get_peer_context()
        if peer is None:
            return
        task = fl_ctx.get_prop(AppConstants.TRAIN_SHAREABLE)
        site, number = peer.get_identity_name(), int(task.get_header(AppConstants.CURRENT_ROUND))
        started = self.record.started.setdefault(number, [])
        if site not in started:
            started.append(site)
            self._heard_again(site, f"round {number + 1}")

    def _heard_again(self, site: str, occasion: str) -> None:
        """Marks the rounds that a site began and whose end it missed.

        FLARE asks a site to drop an answer that nobody waits for, so that a slow site is told from
        a lost one only when it takes its next task.
        """
        for number, started in self.record.started.items():
            answered = {
                *self.record.contributions.get(number, []),
                *self.record.refused.get(number, {}),
                *self.record.late.get(number, {}),
            }
            over = occasion != f"round {number + 1}"
            if site in started and site not in answered and over:
                reason = f"round {number + 1} was over before it answered; back in {occasion}"
                self.note_late(site, number, reason)

    def _answer(self, fl_ctx: FLContext) -> None:
        """Notes an error code, of which FLARE's workflow tells nobody."""
        result = fl_ctx.get_prop(FLContextKey.TASK_RESULT)
        number = result.get_cookie(AppConstants.CONTRIBUTION_ROUND)
        code = result.get_return_code(ReturnCode.OK)
        site = result.get_peer_prop(key=ReservedKey.IDENTITY_NAME, default=None)
        if isinstance(number, int) and isinstance(site, str) and code != ReturnCode.OK:
            self.note_refused(site, number, f"{site} answered {code}")

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
        if (number, site) in self._withdrawn:
            return  # the round was closed between acceptance and this event
        self.record.contributions.setdefault(number, []).append(site)
        slices = read_meta(contribution.dxo).slices
        self.record.training_slices[site] = int(slices)
        if (loss := read_privacy(contribution.dxo)) is not None:
            self.record.privacy.setdefault(number, {})[site] = list(loss)
        message = contribution.dxo.get_meta_prop(MetaKey.INITIAL_METRICS)
        try:
            # Measured before round n (from 0): the global model after n rounds.
            self.record.validation.setdefault(number, {})[site] = self._metrics(site, message)
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
            self.record.final.setdefault(model, {})[site] = self._metrics(site, dxo.data)
        except ValueError as error:
            self.record.problems.append(f"{model} model: evaluation of {site} unread: {error}")

    def _metrics(self, site: str, message: Any) -> SiteMetrics:
        metrics = SiteMetrics.from_message(message)
        self.record.pin_modality(site, metrics.modality)
        self.record.not_annotated[site] = list(metrics.not_annotated)
        return metrics


def find_record(fl_ctx: FLContext, record_id: str) -> RecordKeeper:
    """Returns the component that keeps the run's record.

    Raises:
        ConfigError: The job has none by that name.
    """
    keeper = fl_ctx.get_engine().get_component(record_id)
    if isinstance(keeper, RecordKeeper):
        return keeper
    raise ConfigError(
        Problem(
            f"component '{record_id}'",
            "it must be a fedgin.flare.record.RecordKeeper",
            "none" if keeper is None else type(keeper).__name__,
            "add it to the server's components, or correct record_id",
        )
    )
