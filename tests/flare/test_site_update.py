"""Updates that carry SCAFFOLD's controls: what the aggregator takes, refuses and returns."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.model import ModelLearnableKey
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants

from fedgin.engine.site_weights import SiteFacts
from fedgin.engine.trainer import RoundResult
from fedgin.errors import ConfigError
from fedgin.flare.aggregator import OrderedWeightedAggregator
from fedgin.flare.model_message import answer, received_model
from fedgin.flare.site_meta import meta_values

from .test_aggregator import ROUND, Arrays, context, message

assert context  # a fixture

WEIGHTS, CHANGE = AppConstants.MODEL_WEIGHTS, AlgorithmConstants.SCAFFOLD_CTRL_DIFF


class Engine:
    """A server with three sites."""

    def __init__(self, engine: Any) -> None:
        self.get_workspace = engine.get_workspace
        self.get_component = engine.get_component

    def get_clients(self) -> list[str]:
        return ["site-1", "site-2", "site-3"]


@pytest.fixture
def server(context: FLContext) -> FLContext:
    context.set_prop(ReservedKey.ENGINE, Engine(context.get_engine()), private=True, sticky=False)
    return context


def arrays(value: float) -> Arrays:
    return {"w": np.full(3, value, np.float32), "b": np.full(1, -value, np.float32)}


def collection(site: str = "site-1", *, weight: float = 1.0, **parts: Any) -> Shareable:
    made = {
        WEIGHTS: DXO(data_kind=DataKind.WEIGHT_DIFF, data=arrays(1.0)),
        CHANGE: DXO(data_kind=DataKind.WEIGHT_DIFF, data={"w": arrays(6.0)["w"]}),
        **parts,
    }
    dxo = DXO(data_kind=DataKind.COLLECTION, data={k: v for k, v in made.items() if v is not None})
    dxo.meta.update(meta_values(SiteFacts(modality="CT", cases=1, slices=weight)))
    shareable = dxo.to_shareable()
    shareable.set_peer_props({ReservedKey.IDENTITY_NAME: site})
    shareable.add_cookie(AppConstants.CONTRIBUTION_ROUND, ROUND)
    return shareable


def difference(data: Arrays) -> DXO:
    return DXO(data_kind=DataKind.WEIGHT_DIFF, data=data)


@pytest.mark.parametrize("limit_mb", [0.0, 512.0])
def test_weights_count_by_slices_and_controls_alike_over_all_sites(
    server: FLContext, limit_mb: float
) -> None:
    aggregator = OrderedWeightedAggregator(controls=True, spool_above_mb=limit_mb)
    other = {WEIGHTS: difference(arrays(5.0)), CHANGE: difference({"w": arrays(0.0)["w"]})}
    assert aggregator.accept(collection("site-1", weight=1), server)
    assert aggregator.accept(collection("site-2", weight=3, **other), server)
    result = from_shareable(aggregator.aggregate(server))
    assert result.data_kind == DataKind.COLLECTION
    assert result.data[WEIGHTS].data["w"].tolist() == [4.0] * 3
    # (6 + 0) / 3: the third site did not answer.
    assert result.data[CHANGE].data["w"].tolist() == [2.0] * 3
    assert result.data[CHANGE].data.keys() == {"w"}


NAN = np.array([0.0, np.nan, 0.0])
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no control": ({CHANGE: None}, "sent NoneType, not a weight difference"),
    "no weights": ({WEIGHTS: None}, "sent NoneType, not a weight difference"),
    "bare arrays": ({CHANGE: {"w": NAN}}, "sent dict, not a weight difference"),
    "whole weights": (
        {WEIGHTS: DXO(data_kind=DataKind.WEIGHTS, data=arrays(1))},
        r"sent (DataKind\.)?WEIGHTS, not a weight difference",
    ),
    "nan": ({CHANGE: difference({"w": NAN})}, r"not finite in \['w'\]"),
    "another array": ({CHANGE: difference({"x": NAN})}, r"that the model lacks: \['x'\]"),
}


@pytest.mark.parametrize(("parts", "reason"), BAD.values(), ids=BAD)
def test_what_breaks_a_rule_is_refused_with_the_reason(
    server: FLContext, caplog: pytest.LogCaptureFixture, parts: dict[str, Any], reason: str
) -> None:
    with caplog.at_level(logging.ERROR):
        accepted = OrderedWeightedAggregator(controls=True).accept(collection(**parts), server)
    assert accepted is False
    assert re.search(f"contribution refused: site-1.*{reason}", caplog.text)


MODEL = {**arrays(0.0), "n.running_mean": np.zeros(2, np.float32)}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("w", "b"), None),
        (("w",), r"controls of other arrays than are trained: \['b'\]"),
        (("w", "b", "n.running_mean"), r"than are trained: \['n.running_mean'\]"),
    ],
)
def test_controls_are_those_of_the_trained_arrays(
    server: FLContext, caplog: pytest.LogCaptureFixture, names: tuple[str, ...], reason: str | None
) -> None:
    model = {ModelLearnableKey.WEIGHTS: MODEL}
    server.set_prop(AppConstants.GLOBAL_MODEL, model, private=True, sticky=False)
    parts = {
        WEIGHTS: difference(dict(MODEL)),
        CHANGE: difference({name: MODEL[name] for name in names}),
    }
    accepted = OrderedWeightedAggregator(controls=True).accept(collection(**parts), server)
    assert accepted is (reason is None)
    assert reason is None or re.search(reason, caplog.text)


def test_a_control_of_outlying_norm_is_refused_with_its_update(server: FLContext) -> None:
    aggregator = OrderedWeightedAggregator(controls=True)
    for site, size in (("site-1", 6.0), ("site-2", 7.0), ("site-3", 70.0)):
        parts = {CHANGE: difference({"w": arrays(size)["w"]})}
        assert aggregator.accept(collection(site, **parts), server)
    result = from_shareable(aggregator.aggregate(server))
    # (6 + 7) / 3: the third site counts as one that did not answer.
    np.testing.assert_allclose(result.data[CHANGE].data["w"], [13 / 3] * 3, rtol=1e-6)
    refused = server.get_engine().get_component("record").record.refused[ROUND]
    assert list(refused) == ["site-3"]
    assert refused["site-3"].startswith("site-3 sent too much, controls: norm 121.2 is above")


def test_each_form_is_refused_where_the_other_is_awaited(server: FLContext) -> None:
    assert OrderedWeightedAggregator(controls=True).accept(message(), server) is False
    assert OrderedWeightedAggregator().accept(collection(), server) is False


def result(control: Arrays | None) -> RoundResult:
    return RoundResult(arrays(1), 0.5, 0.1, 3, 1.0, control_difference=control)


def test_an_answer_holds_what_its_workflow_awaits(server: FLContext) -> None:
    assert answer(result(None)).data_kind == DataKind.WEIGHT_DIFF
    assert answer(result(arrays(2))).data[CHANGE].data["w"].tolist() == [2.0] * 3


def test_a_task_is_read_with_and_without_a_control() -> None:
    plain = DXO(data_kind=DataKind.WEIGHTS, data=arrays(1))
    assert received_model(plain.to_shareable()) == (plain.data, None)
    control = difference(arrays(2))
    parts = {WEIGHTS: plain, AlgorithmConstants.SCAFFOLD_CTRL_GLOBAL: control}
    both = DXO(data_kind=DataKind.COLLECTION, data=parts)
    assert received_model(both.to_shareable()) == (plain.data, control.data)
    del parts[WEIGHTS]
    for broken in (both, difference(arrays(1))):
        with pytest.raises(ConfigError, match="weights and a control"):
            received_model(broken.to_shareable())
