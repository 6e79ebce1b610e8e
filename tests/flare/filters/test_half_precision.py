"""float16 on the way to the server: half the bytes there, float32 in the average."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.flare.aggregator import OrderedWeightedAggregator
from fedgin.flare.context import received_contribution
from fedgin.flare.filters.half_precision import HalfPrecisionUpload
from fedgin.flare.site_update import read_update
from fedgin.privacy.precision import ABSOLUTE_ERROR, RELATIVE_ERROR

from ..test_aggregator import ROUND, context
from .answers import Arrays, arrays, begin, collection_dxo, update_dxo
from .wire_bytes import wire_bytes

assert context  # a fixture


def sent(answer: Shareable, site: str = "site-1") -> Shareable:
    """The answer as the server receives it."""
    answer.set_peer_props({ReservedKey.IDENTITY_NAME: site})
    answer.add_cookie(AppConstants.CONTRIBUTION_ROUND, ROUND)
    return answer


def halved(fl_ctx: FLContext, dxo: DXO) -> Shareable:
    begin(fl_ctx)
    return HalfPrecisionUpload().process(dxo.to_shareable(), fl_ctx)


def within_bound(found: np.ndarray, exact: np.ndarray) -> bool:
    bound = np.maximum(RELATIVE_ERROR * np.abs(exact.astype(np.float64)), ABSOLUTE_ERROR)
    return bool((np.abs(found.astype(np.float64) - exact) <= bound).all())


def test_the_server_averages_float32_within_the_bound(
    fl_ctx: FLContext, context: FLContext
) -> None:
    aggregator = OrderedWeightedAggregator()
    assert aggregator.accept(sent(halved(fl_ctx, update_dxo())), context)
    # A site that sends no halves takes part all the same.
    assert aggregator.accept(sent(update_dxo(arrays(1)).to_shareable(), "site-2"), context)
    average = from_shareable(aggregator.aggregate(context)).data
    for name, array in arrays().items():
        assert average[name].dtype == np.float32
        exact = (array.astype(np.float64) + arrays(1)[name]) / 2
        bound = np.maximum(RELATIVE_ERROR * np.abs(array), ABSOLUTE_ERROR) / 2 + 1e-6
        assert (np.abs(average[name] - exact) <= bound).all()


def test_both_parts_of_a_collection_are_widened(fl_ctx: FLContext, context: FLContext) -> None:
    answer = sent(halved(fl_ctx, collection_dxo()))
    for part in (AppConstants.MODEL_WEIGHTS, AlgorithmConstants.SCAFFOLD_CTRL_DIFF):
        data = from_shareable(answer).data[part].data
        assert {array.dtype for array in data.values()} == {np.dtype(np.float16)}
    update = read_update(received_contribution(answer), answer, context, controls=True)
    raw = collection_dxo().data
    for found, part in (
        (update.difference, AppConstants.MODEL_WEIGHTS),
        (update.control or {}, AlgorithmConstants.SCAFFOLD_CTRL_DIFF),
    ):
        assert found.keys() == raw[part].data.keys()
        assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
        assert all(within_bound(found[name], array) for name, array in raw[part].data.items())


def test_a_large_update_takes_half_the_bytes(fl_ctx: FLContext) -> None:
    update: Arrays = {"w": np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)}
    begin(fl_ctx)
    fl_ctx.set_prop("fedgin_task_note", None, private=True, sticky=False)
    half = HalfPrecisionUpload().process(update_dxo(update).to_shareable(), fl_ctx)
    whole = update_dxo(update).to_shareable()
    assert len(wire_bytes(half)) == pytest.approx(len(wire_bytes(whole)) / 2, rel=0.1)


def test_the_weights_of_submit_model_stay_as_they_are(fl_ctx: FLContext, kit: Path) -> None:
    begin(fl_ctx, "submit_model")
    answer = DXO(data_kind=DataKind.WEIGHTS, data=arrays()).to_shareable()
    passed = from_shareable(HalfPrecisionUpload().process(answer, fl_ctx)).data
    assert all(np.array_equal(passed[name], array) for name, array in arrays().items())
