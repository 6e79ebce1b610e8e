"""Evaluation without training: the model that a job carries, for FLARE's own workflow."""

from __future__ import annotations

from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.model_locator import ModelLocator

from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.flare.context import job_settings
from fedgin.flare.job_files import carried_model
from fedgin.flare.record import RELEASED_MODEL, RecordKeeper
from fedgin.release.fit import check_fit
from fedgin.release.model_file import ReleasedModel, read_release


class ReleasedModelLocator(ModelLocator):
    """Hands the released model that a job carries to FLARE, after checking it."""

    def __init__(self, record_id: str = "record") -> None:
        """Names the component that keeps the run's record; it must stand before this one."""
        super().__init__()
        self._record_id = record_id
        self._released: ReleasedModel | None = None

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Reads the model when the run starts, and stops a job that carries none."""
        if event_type != EventType.START_RUN:
            return
        try:
            self._released = self._read(fl_ctx)
        except FedginError as error:
            self.system_panic(str(error), fl_ctx)
            return
        keeper = fl_ctx.get_engine().get_component(self._record_id)
        if isinstance(keeper, RecordKeeper):
            card = self._released.card
            keeper.record.started_from = None  # it is measured, and nothing is trained
            keeper.record.title = f"evaluation of model {self._released.name}, task {card.task}"

    def get_model_names(self, fl_ctx: FLContext) -> list[str]:
        """Names the one model."""
        return [] if self._released is None else [RELEASED_MODEL]

    def locate_model(self, model_name: str, fl_ctx: FLContext) -> DXO | None:
        """Returns the model's weights."""
        if self._released is None or model_name != RELEASED_MODEL:
            return None
        return DXO(data_kind=DataKind.WEIGHTS, data=dict(self._released.weights))

    def _read(self, fl_ctx: FLContext) -> ReleasedModel:
        folder = carried_model(fl_ctx)
        if folder is None:
            raise ConfigError(
                Problem(
                    "the job",
                    "an evaluation carries the released model that it measures",
                    "a job without one",
                    "make it by `fedgin job export jobs/evaluate OUT --byoc --from MODEL`",
                )
            )
        released = read_release(folder)
        check_fit(released, job_settings(fl_ctx), where=str(folder))
        return released
