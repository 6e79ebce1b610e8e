"""The server's side of delivery: release the run's model, and send it to every site."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from nvflare.apis.client import Client
from nvflare.apis.controller_spec import ClientTask, Task
from nvflare.apis.dxo import from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.impl.controller import Controller
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal

from fedgin.engine.torch_file import load_torch
from fedgin.errors import FedginError
from fedgin.flare.checkpoints import CheckpointKeeper
from fedgin.flare.context import job_settings, run_folder
from fedgin.flare.delivery import DELIVER_TASK, RECEIPT_KEY, delivery_message
from fedgin.flare.persistor import SettingsModelPersistor
from fedgin.flare.record import RecordKeeper
from fedgin.flare.report import settle_best
from fedgin.release.card import ModelCard
from fedgin.release.from_record import Origin, make_card
from fedgin.release.model_file import pack_weights, weights_facts, write_release
from fedgin.report.run_record import RunRecord

RELEASE_FOLDER = "release"
GRACE_SECONDS = 30
"""How long a site is waited for that did not measure the final model."""


class DeliverModel(Controller):
    """The last workflow of a run: settles which model is the best, releases it and delivers it.

    Sites that measured the final model have the whole timeout; one that was lost before is waited
    for only briefly. The report names every site that did not confirm receipt.
    """

    def __init__(
        self,
        timeout: int = 600,
        record_id: str = "record",
        persistor_id: str = "persistor",
        checkpoints_id: str = "checkpoints",
    ) -> None:
        """Sets how long to wait, and names the components that know record, models and lineage.

        Args:
            timeout: Seconds that the sites have together, above 0.
            record_id: The RecordKeeper.
            persistor_id: The SettingsModelPersistor.
            checkpoints_id: The CheckpointKeeper; where there is none the run has no lineage.

        Raises:
            ValueError: The timeout is not above 0: FLARE would wait for ever.
        """
        super().__init__()
        if timeout <= 0:
            raise ValueError(f"the timeout of delivery must be above 0; found {timeout}")
        self._timeout = timeout
        self._record_id = record_id
        self._persistor_id = persistor_id
        self._checkpoints_id = checkpoints_id

    def start_controller(self, fl_ctx: FLContext) -> None:
        """Checks that the components are there."""
        engine = fl_ctx.get_engine()
        for name, kind in (
            (self._record_id, RecordKeeper),
            (self._persistor_id, SettingsModelPersistor),
        ):
            if not isinstance(engine.get_component(name), kind):
                self.system_panic(f"component '{name}' must be a {kind.__name__}", fl_ctx)

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        """Releases the model and waits for the sites' receipts."""
        record: RunRecord = fl_ctx.get_engine().get_component(self._record_id).record
        try:
            content, card = self._release(record, fl_ctx)
        except (FedginError, OSError, ValueError) as error:
            self._note(record, f"no model was released: {error}", fl_ctx)
            return
        self._note_released(record, card)
        sites = [client.name for client in fl_ctx.get_engine().get_clients()]
        if not sites or abort_signal.triggered:
            return
        task = Task(
            name=DELIVER_TASK,
            data=delivery_message(content, card),
            timeout=self._timeout,
            result_received_cb=self._receipt,
        )
        # A site that was lost before the final evaluation shall not be waited for.
        heard = {site for reports in record.final.values() for site in reports} & set(sites)
        self.broadcast_and_wait(
            task=task,
            targets=sites,
            min_responses=len(heard),
            wait_time_after_min_received=GRACE_SECONDS,
            fl_ctx=fl_ctx,
            abort_signal=abort_signal,
        )

    def stop_controller(self, fl_ctx: FLContext) -> None:
        """Withdraws what was not fetched."""
        self.cancel_all_tasks(fl_ctx=fl_ctx)

    def process_result_of_unknown_task(
        self,
        client: Client,
        task_name: str,
        client_task_id: str,
        result: Shareable,
        fl_ctx: FLContext,
    ) -> None:
        """Leaves a late answer out; the report says that the site did not confirm."""
        self.log_warning(fl_ctx, f"late answer of {client.name} to {task_name}", fire_event=False)

    def _release(self, record: RunRecord, fl_ctx: FLContext) -> tuple[bytes, ModelCard]:
        engine = fl_ctx.get_engine()
        persistor: SettingsModelPersistor = engine.get_component(self._persistor_id)
        keeper = engine.get_component(self._checkpoints_id)
        settle_best(record, persistor)
        files = {"best": persistor.best_model_file, "last": persistor.last_model_file}
        model = "best" if record.best_round is not None and files["best"].is_file() else "last"
        state = load_torch(files[model])["model"]
        weights = {name: self._array(value) for name, value in state.items()}
        content = pack_weights(weights)
        card = make_card(
            record,
            settings=job_settings(fl_ctx),
            model=model,
            weights=weights_facts(weights, content),
            origin=Origin(
                lineage=keeper.lineage if isinstance(keeper, CheckpointKeeper) else None,
                started_from=record.started_from,
            ),
        )
        self._keep(record, content, card, fl_ctx)
        return content, card

    def _array(self, value: Any) -> np.ndarray:
        array: np.ndarray = torch.as_tensor(value).numpy()
        return array

    def _keep(self, record: RunRecord, content: bytes, card: ModelCard, fl_ctx: FLContext) -> None:
        folder = run_folder(fl_ctx) / RELEASE_FOLDER
        write_release(folder, content, card)
        record.files["Released model"] = str(folder)

    def _note_released(self, record: RunRecord, card: ModelCard) -> None:
        record.released = card.weights.sha256

    def _receipt(self, client_task: ClientTask, fl_ctx: FLContext) -> None:
        record: RunRecord = fl_ctx.get_engine().get_component(self._record_id).record
        site, answer = client_task.client.name, client_task.result
        client_task.result = None
        code = answer.get_return_code()
        if code and code != ReturnCode.OK:
            self.log_error(fl_ctx, f"{site} answered {code} to delivery", fire_event=False)
            return
        try:
            stored = from_shareable(answer).data.get(RECEIPT_KEY)
        except ValueError as error:
            self._note(record, f"receipt of {site} unread: {error}", fl_ctx)
            return
        record.receipts[site] = str(stored)[:64]

    def _note(self, record: RunRecord, problem: str, fl_ctx: FLContext) -> None:
        record.problems.append(problem)
        self.log_error(fl_ctx, problem, fire_event=False)
