"""The server's model of an encrypted job: long vectors, plain before the first round only."""

from __future__ import annotations

import torch
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.model import ModelLearnable
from nvflare.app_opt.pt.model_persistence_format_manager import PTModelPersistenceFormatManager
from torch import nn

from fedgin.encryption.packing import Layout, pack
from fedgin.engine.checkpoint import load_checkpoint
from fedgin.engine.weights import get_weights
from fedgin.errors import ConfigError, Problem
from fedgin.flare.context import job_settings
from fedgin.flare.encryption.sealed_model import sealed_model
from fedgin.flare.job_files import carried_checkpoint, carried_model
from fedgin.flare.persistor import SettingsModelPersistor
from fedgin.networks import build_network
from fedgin.settings import ResolvedSettings


class PackedModel(nn.Module):
    """A network's initial weights as vectors; it computes nothing."""

    def __init__(self, settings: ResolvedSettings) -> None:
        """Draws the weights that settings and seed give, as everybody who has the job can."""
        super().__init__()
        weights = get_weights(build_network(settings))
        for name, vector in pack(weights, Layout.of(weights)).items():
            self.register_buffer(name, torch.from_numpy(vector.copy()))


class EncryptedModelPersistor(SettingsModelPersistor):
    """Keeps the global model as FLARE's HEModelSerializeFilter hands it on: as ciphertext.

    Its `filter_id` must name that filter. The initial model is that of the settings and the seed
    and no secret; a released one to start from would be, so that a job may not carry it. A
    checkpoint holds ciphertext.
    """

    def get(self, model_file: str, fl_ctx: FLContext) -> object:
        """Reads a saved model for cross-site evaluation, and leaves it serialized.

        FLARE's filter would make ciphertext objects of it, and FLARE 2.9 then fails to copy the
        task: they cannot be copied without the secret key, not in HECrossSiteModelEval either.
        """
        return self.get_model(model_file, fl_ctx)

    def load_model(self, fl_ctx: FLContext) -> ModelLearnable:
        """Loads the initial model, or the ciphertext from which a job goes on."""
        file = carried_checkpoint(fl_ctx)
        if file is None:
            return super().load_model(fl_ctx)
        self.persistence_manager = PTModelPersistenceFormatManager(
            sealed_model(load_checkpoint(file).weights)
        )
        return self.persistence_manager.to_model_learnable(None)

    def _initial_model(self, fl_ctx: FLContext) -> nn.Module:
        if carried_model(fl_ctx) is not None:
            raise ConfigError(
                Problem(
                    "the job",
                    "an encrypted job starts from its settings and seed",
                    "a job that carries a trained model, which the server could read",
                    "export it anew without `--from`",
                )
            )
        return PackedModel(job_settings(fl_ctx))
