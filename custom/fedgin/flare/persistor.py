"""The server's model: from settings, a released one or a checkpoint; FLARE's persistor saves it."""

from __future__ import annotations

from pathlib import Path

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.app_opt.pt.file_model_persistor import PTFileModelPersistor
from torch import nn

from fedgin.engine.checkpoint import load_checkpoint
from fedgin.engine.weights import set_weights
from fedgin.errors import FedginError
from fedgin.flare.context import job_settings
from fedgin.flare.job_files import carried_checkpoint, carried_model
from fedgin.networks import build_network
from fedgin.release.model_file import read_release


class SettingsModelPersistor(PTFileModelPersistor):
    """FLARE's PTFileModelPersistor, whose initial model comes from the job.

    It is that of the settings and the seed, or the released model or checkpoint that the job
    carries.
    """

    def handle_event(self, event: str, fl_ctx: FLContext) -> None:
        """Builds the network when the run starts, before FLARE asks for it."""
        if event == EventType.START_RUN:
            try:
                self.model = self._initial_model(fl_ctx)
            except FedginError as error:
                self.system_panic(str(error), fl_ctx)
                return
        super().handle_event(event, fl_ctx)

    def _initial_model(self, fl_ctx: FLContext) -> nn.Module:
        network = build_network(job_settings(fl_ctx))
        if (file := carried_checkpoint(fl_ctx)) is not None:
            set_weights(network, load_checkpoint(file).weights)
        elif (folder := carried_model(fl_ctx)) is not None:
            set_weights(network, read_release(folder).weights)
        return network

    @property
    def last_model_file(self) -> Path:
        """Where the last global model is saved."""
        return Path(self._ckpt_save_path)

    @property
    def best_model_file(self) -> Path:
        """Where the best global model is saved."""
        return Path(self._best_ckpt_save_path)
