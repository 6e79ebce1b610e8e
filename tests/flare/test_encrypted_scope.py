"""A site's scope around an encrypted job: it sees the model packed, and judges the plain update."""

from __future__ import annotations

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.filter import ContentBlockedException
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext

from fedgin.encryption.packing import Layout, pack
from fedgin.flare.filters.task_note import RememberTask
from fedgin.flare.filters.update_guard import UpdateGuard

from .sealed import Kits, open_model, seal
from .test_aggregator import Arrays, context, message
from .test_encrypted_round import keys, kits, network, server, update

assert [context, keys, kits, network, server]  # fixtures


def begin_task(server: FLContext, network: Arrays, kits: Kits) -> None:
    server.set_prop(FLContextKey.TASK_NAME, "train", private=True, sticky=False)
    task = DXO(DataKind.WEIGHTS, data=pack(network, Layout.of(network))).to_shareable()
    open_model(RememberTask().process(task, server), server, kits)


def test_an_update_of_the_first_round_s_packed_model_passes_the_scope_and_is_sealed(
    server: FLContext, network: Arrays, kits: Kits
) -> None:
    begin_task(server, network, kits)
    plain = message("site-1", weight=1.0, data=update("site-1", network))
    passed = UpdateGuard().process(plain, server)
    assert all(
        np.array_equal(array, update("site-1", network)[name])
        for name, array in from_shareable(passed).data.items()
    )
    sealed = from_shareable(seal(passed, server, kits))
    assert all(isinstance(value, bytes) for value in sealed.data.values())


def test_an_update_of_other_arrays_is_refused_there_too(
    server: FLContext, network: Arrays, kits: Kits
) -> None:
    begin_task(server, network, kits)
    other = {**update("site-1", network), "smuggled": np.zeros(3, np.float32)}
    with pytest.raises(ContentBlockedException, match="names and shapes"):
        UpdateGuard().process(message("site-1", weight=1.0, data=other), server)
