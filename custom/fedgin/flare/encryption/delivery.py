"""A site's side of delivery in an encrypted job: decrypt the model, then keep it as any other."""

from __future__ import annotations

from typing import Any

import numpy as np
from nvflare.apis.fl_context import FLContext

from fedgin.encryption.ciphertext import read_vector
from fedgin.encryption.packing import unpack
from fedgin.flare.context import job_settings
from fedgin.flare.delivery import ModelReceiver
from fedgin.flare.encryption.keys import load_context
from fedgin.flare.encryption.site_filters import job_layout
from fedgin.release.card import ModelCard
from fedgin.release.fit import check_fit
from fedgin.release.model_file import check_release, pack_weights, weights_facts


class EncryptedModelReceiver(ModelReceiver):
    """Decrypts a delivered model with the kit's key, checks it, and keeps it in plain form."""

    def _open(self, card: ModelCard, content: bytes, fl_ctx: FLContext) -> tuple[ModelCard, bytes]:
        sealed = check_release(content, card, where="the delivered ciphertext").weights
        layout = job_layout(fl_ctx)
        context = load_context("client", fl_ctx)
        sizes = layout.block_sizes
        vectors = {
            name: _decrypt(context, array, size=sizes.get(name, 0))
            for name, array in sealed.items()
        }
        weights = unpack(vectors, layout)
        opened = pack_weights(weights)
        card = card.model_copy(update={"weights": weights_facts(weights, opened)})
        released = check_release(opened, card, where="the decrypted model")
        check_fit(released, job_settings(fl_ctx), where="the decrypted model")
        return card, opened


def _decrypt(context: Any, array: np.ndarray, *, size: int) -> Any:
    if array.dtype != np.uint8:
        return array  # the initial model, which was never encrypted
    return read_vector(context, array.tobytes(), size=size).decrypt()
