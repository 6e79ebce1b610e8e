"""A site's filters around FLARE's HE encryptor and decryptor: they fail closed, those do not.

The chain of a task's data is HEModelDecryptor, UnpackModel; that of its result PackUpdate,
HEModelEncryptor, CiphertextOnly. FLARE's two pass on what they do not understand; ours raise, and
FLARE then sends an error code and no data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nvflare.apis.dxo import DataKind, MetaKey, from_shareable
from nvflare.apis.filter import Filter
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply

from fedgin.encryption.backend import load_tenseal
from fedgin.encryption.contexts import LARGEST
from fedgin.encryption.packing import Layout, pack, unpack
from fedgin.flare.context import job_settings
from fedgin.flare.filters.task_note import note_unpacked


class UnpackModel(Filter):
    """Turns decrypted vectors, or the plain ones of the first round, into the network's arrays."""

    def __init__(self) -> None:
        """Starts without a network."""
        super().__init__()
        self._layout: Layout | None = None

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Unpacks a task's weights.

        Raises:
            ValueError: They are no vectors of the job's network.
        """
        dxo = from_shareable(shareable)
        if dxo.data_kind != DataKind.WEIGHTS:
            raise ValueError(f"a task of an encrypted job holds weights, not {dxo.data_kind}")
        if self._layout is None:
            self._layout = job_layout(fl_ctx)
        dxo.data = unpack(dxo.data, self._layout)
        # The site's scope, whose filters came first, has seen vectors.
        note_unpacked(fl_ctx, dxo.data)
        dxo.update_shareable(shareable)
        return shareable


class PackUpdate(Filter):
    """Lays a site's update out in vectors for encryption."""

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Packs a weight difference; an error code and metrics pass as they are.

        Raises:
            ValueError: The update is of another kind, or has numbers that cannot be encrypted.
        """
        if _failed(shareable):
            return shareable
        dxo = from_shareable(shareable)
        if dxo.data_kind == DataKind.METRICS:
            return shareable
        if dxo.data_kind != DataKind.WEIGHT_DIFF:
            raise ValueError(f"an encrypted job sends weight differences, not {dxo.data_kind}")
        vectors = pack(dxo.data, Layout.of(dxo.data))
        for name, vector in vectors.items():
            if not (np.abs(vector) < LARGEST).all():  # false for nan
                raise ValueError(f"{name} has numbers that are not below {LARGEST:g}")
        # Longer numbers than float32 would be lost on the way anyhow.
        dxo.data = {name: vector.astype(np.float64) for name, vector in vectors.items()}
        dxo.update_shareable(shareable)
        return shareable


class CiphertextOnly(Filter):
    """The last filter of a site's results: lets ciphertext, metrics and error codes pass.

    Ciphertexts leave as bytes: FLARE would send the context, keys apart, along with each.
    """

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Serializes ciphertexts.

        Raises:
            ValueError: Anything else would leave the site.
        """
        if _failed(shareable):
            return make_reply(shareable.get_return_code())
        dxo = from_shareable(shareable)
        if dxo.data_kind == DataKind.METRICS:
            return shareable
        if dxo.data_kind != DataKind.WEIGHT_DIFF:
            raise ValueError(f"{dxo.data_kind} must not leave the site")
        dxo.data = {name: _sealed(name, value) for name, value in dxo.data.items()}
        if dxo.get_meta_prop(MetaKey.PROCESSED_KEYS) != dict.fromkeys(dxo.data, True):
            raise ValueError("the update does not say that all of it is encrypted")
        dxo.update_shareable(shareable)
        return shareable


def job_layout(fl_ctx: FLContext) -> Layout:
    """Returns the layout of the job's network."""
    from fedgin.engine.weights import get_weights
    from fedgin.networks import build_network

    return Layout.of(get_weights(build_network(job_settings(fl_ctx))))


def _failed(shareable: Shareable) -> bool:
    return bool(shareable.get_return_code(ReturnCode.OK) != ReturnCode.OK)


def _sealed(name: str, value: Any) -> bytes:
    if not isinstance(value, load_tenseal().CKKSVector):
        raise ValueError(f"{name} is no ciphertext and must not leave the site")
    return bytes(value.serialize())
