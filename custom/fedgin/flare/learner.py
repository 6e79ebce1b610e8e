"""The Learner: a site's tasks, handed on to `fedgin.engine`.

The module imports little, because FLARE's simulator may start a process for every task; torch is
loaded when the first task comes and the site's thread count is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.learner_spec import Learner
from nvflare.app_common.app_constant import AppConstants, ValidateType

from fedgin.errors import FedginError
from fedgin.flare.context import (
    LINEAGE_HEADER,
    TOTAL_ROUNDS_HEADER,
    job_settings,
    local_folder,
    run_folder,
)
from fedgin.flare.model_message import answer, received_model
from fedgin.flare.site_meta import meta_values, privacy_values
from fedgin.sites.lookup import load_site
from fedgin.threads import set_threads

if TYPE_CHECKING:
    from fedgin.engine.site_work import SiteWork

BEFORE_TRAIN = ValidateType.BEFORE_TRAIN_VALIDATE
LOCAL_MODEL_FILE = "local_model.pt"


class SiteLearner(Learner):
    """Trains and validates at one site.

    train: weights in, weight difference out, with modality and the numbers of training cases and
    slices; with SCAFFOLD a control travels along.
    validate: before training on validation patients; in cross-site evaluation on validation and
    test patients. submit_model: the site's own last model, where a job asks for it.
    """

    def __init__(self, log_writer_id: str = "log_writer", trains: bool = True) -> None:
        """Names the component that sends scalars to the server, and says whether the job trains.

        Args:
            log_writer_id: Identifier of FLARE's TBWriter; where there is none nothing is sent.
            trains: False in a job that only measures; a site may then have test patients only.
        """
        super().__init__()
        self._log_writer_id = log_writer_id
        self._trains = trains
        self._log_writer: Any = None
        self._work: SiteWork | None = None
        self._refusal: str | None = None
        self._validation_dice = float("nan")
        self._stop = threading.Event()

    def initialize(self, parts: dict[str, Any], fl_ctx: FLContext) -> None:
        """Reads the site's file and prepares its data; a refusal is kept and given to each task."""
        self._log_writer = parts.get(self._log_writer_id)
        try:
            settings = job_settings(fl_ctx)
            site = load_site(fl_ctx.get_identity_name(), local_folder=local_folder(fl_ctx))
            set_threads(site.config.threads)
            from fedgin.engine.site_work import SiteWork

            self._work = SiteWork(
                site=site,
                settings=settings,
                run_folder=run_folder(fl_ctx),
                trains=self._trains,
            )
        except FedginError as error:
            self._refusal = str(error)

    def train(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Trains for one round and returns the weight difference."""
        return self._guarded(self._train, data, fl_ctx, abort_signal)

    def validate(self, data: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Measures the weights sent and returns Dice."""
        return self._guarded(self._validate, data, fl_ctx, abort_signal)

    def get_model_for_validation(self, model_name: str, fl_ctx: FLContext) -> Shareable:
        """Returns the site's own model after its last round."""
        from fedgin.engine.torch_file import load_torch

        file = run_folder(fl_ctx) / LOCAL_MODEL_FILE
        if not file.is_file():
            return make_reply(ReturnCode.EMPTY_RESULT)
        state = load_torch(file)
        weights = {name: tensor.numpy() for name, tensor in state.items()}
        return DXO(data_kind=DataKind.WEIGHTS, data=weights).to_shareable()

    def abort(self, fl_ctx: FLContext) -> None:
        """Stops the task in hand between two steps."""
        self._stop.set()

    def _guarded(
        self,
        task: Callable[[SiteWork, Shareable, FLContext, Callable[[], bool]], Shareable],
        data: Shareable,
        fl_ctx: FLContext,
        abort_signal: Signal,
    ) -> Shareable:
        """Runs a task; a refusal stays in the site's own log and the server gets a code."""
        if self._work is None:
            reason = self._refusal or "the learner was not initialized"
            self.log_error(fl_ctx, f"refused: {reason}", fire_event=False)
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        from fedgin.engine.evaluator import Aborted

        self._stop.clear()
        try:
            if lineage := data.get_header(LINEAGE_HEADER):
                self._work.join(str(lineage))
            return task(
                self._work, data, fl_ctx, lambda: abort_signal.triggered or self._stop.is_set()
            )
        except Aborted:
            self.log_info(fl_ctx, "aborted between two steps", fire_event=False)
            return make_reply(ReturnCode.TASK_ABORTED)
        except FedginError as error:
            self.log_error(fl_ctx, f"refused: {error}", fire_event=False)
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)

    def _train(
        self,
        work: SiteWork,
        data: Shareable,
        fl_ctx: FLContext,
        should_stop: Callable[[], bool],
    ) -> Shareable:
        weights, control = received_model(data)
        number = int(data.get_header(AppConstants.CURRENT_ROUND))
        result = work.train(
            weights,
            round_number=number,
            rounds=int(
                data.get_header(TOTAL_ROUNDS_HEADER) or data.get_header(AppConstants.NUM_ROUNDS)
            ),
            validation_dice=self._validation_dice,
            control=control,
            should_stop=should_stop,
        )
        self._save_local_model(work, fl_ctx)
        self._send_scalar("train/loss", result.loss, number)
        self._send_scalar("train/learning_rate", result.learning_rate, number)
        self._send_scalar("train/seconds", result.seconds, number)
        self.log_info(
            fl_ctx,
            f"round {number + 1}: loss {result.loss:.4f}, {result.steps} steps in "
            f"{result.seconds:.1f} s",
            fire_event=False,
        )
        dxo = answer(result)
        # FLARE's own aggregators weight by this; ours by what follows.
        dxo.set_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND, work.data.n_training_slices)
        meta = {**meta_values(work.facts), **privacy_values(result.privacy)}
        for key, value in meta.items():
            dxo.set_meta_prop(key, value)
        return dxo.to_shareable()

    def _validate(
        self,
        work: SiteWork,
        data: Shareable,
        fl_ctx: FLContext,
        should_stop: Callable[[], bool],
    ) -> Shareable:
        before_train = data.get_header(AppConstants.VALIDATE_TYPE) == BEFORE_TRAIN
        number = int(data.get_header(AppConstants.CURRENT_ROUND)) if before_train else None
        weights = work.own_weights(received_model(data)[0], before_round=number)
        evaluation = work.validate(weights, before_round=number, should_stop=should_stop)
        message: dict[str, Any] = {
            "modality": work.site.config.modality,
            **work.annotation(),
            "validation": work.metrics(evaluation, patients="validation"),
        }
        if number is not None:
            self._validation_dice = evaluation.mean()
            if work.validates(number):
                self._report_validation(work, weights, message["validation"], number)
            message = {MetaKey.INITIAL_METRICS: message}
        else:
            test = work.test(weights, should_stop=should_stop)
            message["test"] = work.metrics(test, patients="test")
            work.keep_scores(test, model=_model_name(data))
        return DXO(data_kind=DataKind.METRICS, data=message).to_shareable()

    def _report_validation(
        self, work: SiteWork, weights: Any, metrics: dict[str, Any], number: int
    ) -> None:
        self._send_scalar("validation/dice", metrics["dice"], number)
        for name, value in metrics["per_class"].items():
            self._send_scalar(f"validation/dice_{name}", value, number)
        picture = work.picture(weights, name=f"after-round-{number}")
        if picture is not None and work.site.config.share_images and self._log_writer:
            self._log_writer.write("validation", picture, AnalyticsDataType.IMAGE, number)

    def _send_scalar(self, tag: str, value: float | None, step: int) -> None:
        if self._log_writer is not None and value is not None:
            self._log_writer.add_scalar(tag, float(value), global_step=step)

    def _save_local_model(self, work: SiteWork, fl_ctx: FLContext) -> None:
        import torch

        from fedgin.files import write_atomically

        state = work.trainer.network.state_dict()
        write_atomically(
            run_folder(fl_ctx) / LOCAL_MODEL_FILE, lambda file: torch.save(state, file)
        )


def _model_name(data: Shareable) -> str:
    """Names the model of a cross-site evaluation, as a file name."""
    owner = str(data.get_header(AppConstants.MODEL_OWNER, "unnamed"))
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in owner)
