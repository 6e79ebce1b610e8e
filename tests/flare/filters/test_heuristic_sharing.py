"""The heuristics as filters: the arithmetic's result, and nothing but an update."""

from __future__ import annotations

import numpy as np
import pytest
from nvflare.apis.dxo import from_shareable
from nvflare.apis.filter import ContentBlockedException
from nvflare.apis.fl_context import FLContext

from fedgin.flare.filters.base import FailClosedFilter
from fedgin.flare.filters.heuristic_sharing import ClipUpdate, PercentileSharing, TopKSharing
from fedgin.privacy.clipping import clip_update
from fedgin.privacy.sharing import percentile_sharing, top_k_sharing

from .answers import arrays, begin, collection_dxo, evaluation_dxo, update_dxo

FILTERS = {
    "clip": (ClipUpdate(0.1), clip_update(arrays(), max_norm=0.1)[0]),
    "percentile": (
        PercentileSharing(percentile=40, limit=0.5),
        percentile_sharing(arrays(), percentile=40, limit=0.5),
    ),
    "top k": (TopKSharing(share=0.2), top_k_sharing(arrays(), share=0.2)),
}


@pytest.mark.parametrize(("one", "expected"), FILTERS.values(), ids=FILTERS)
def test_an_update_is_changed_and_metrics_are_not(
    fl_ctx: FLContext, one: FailClosedFilter, expected: dict[str, np.ndarray]
) -> None:
    begin(fl_ctx)
    sent = from_shareable(one.process(update_dxo().to_shareable(), fl_ctx)).data
    assert sent.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(sent[name], array)
    assert not np.array_equal(sent["conv.weight"], arrays()["conv.weight"])
    begin(fl_ctx, "validate")
    passed = from_shareable(one.process(evaluation_dxo().to_shareable(), fl_ctx))
    assert passed.data == evaluation_dxo().data


@pytest.mark.parametrize(("one", "expected"), FILTERS.values(), ids=FILTERS)
def test_controls_do_not_pass(fl_ctx: FLContext, one: FailClosedFilter, expected: object) -> None:
    begin(fl_ctx)
    with pytest.raises(ContentBlockedException):
        one.process(collection_dxo().to_shareable(), fl_ctx)


def test_a_wrong_argument_lets_nothing_out(fl_ctx: FLContext) -> None:
    """FLARE's PercentilePrivacy sends the raw update then."""
    begin(fl_ctx)
    for one in (PercentileSharing(200, 0.1), TopKSharing(0), ClipUpdate(-1)):
        with pytest.raises(ContentBlockedException):
            one.process(update_dxo().to_shareable(), fl_ctx)
