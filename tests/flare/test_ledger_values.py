"""What an entry says of an answer is what stands in FLARE's message."""

from __future__ import annotations

import math

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply

from fedgin.flare.ledger_values import answer_values
from fedgin.flare.site_meta import PRIVACY

WEIGHTS = {"a": np.full((2, 3), 2.0, np.float32), "b": np.full(4, -1.0, np.float32)}


def named(result: Shareable) -> Shareable:
    result.set_header(ReservedHeaderKey.TASK_NAME, "train")
    return result


def test_a_weight_difference() -> None:
    meta = {PRIVACY: {"epsilon": 1.5, "delta": 1e-5}, "fedgin_cases": 8}
    values = answer_values(named(DXO(DataKind.WEIGHT_DIFF, data=WEIGHTS, meta=meta).to_shareable()))
    assert (values["task"], values["code"], values["kind"]) == ("train", "OK", "WEIGHT_DIFF")
    assert values["norm"] == pytest.approx(math.sqrt(6 * 4 + 4))
    assert (values["arrays"], values["values"]) == (2, 10)
    assert values["bytes"] > 40
    assert (values["epsilon"], values["delta"]) == (1.5, 1e-5)
    assert values["meta"] == ("fedgin_cases", PRIVACY)


def test_the_norm_of_a_collection_is_that_of_all_its_parts() -> None:
    parts = {name: DXO(DataKind.WEIGHT_DIFF, data=WEIGHTS) for name in ("weights", "control")}
    values = answer_values(DXO(DataKind.COLLECTION, data=parts).to_shareable())
    assert values["norm"] == pytest.approx(math.sqrt(2 * (6 * 4 + 4)))


def test_an_error_that_carries_data_is_measured_like_any_answer() -> None:
    result = DXO(DataKind.WEIGHT_DIFF, data=WEIGHTS).to_shareable()
    result.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    values = answer_values(result)
    assert (values["code"], values["kind"]) == (ReturnCode.EXECUTION_EXCEPTION, "WEIGHT_DIFF")
    assert values["arrays"] == 2


def test_a_bare_error_has_no_kind_and_data_without_a_dxo_are_called_so() -> None:
    assert answer_values(make_reply(ReturnCode.TASK_RESULT_FILTER_ERROR))["kind"] is None
    odd = Shareable()
    odd["smuggled"] = WEIGHTS["a"]
    values = answer_values(odd)
    assert (values["kind"], values["arrays"]) == ("not a DXO", 1)


@pytest.mark.parametrize("value", ["much", True, math.nan, None, [1.0]])
def test_an_epsilon_that_is_no_number_is_none(value: object) -> None:
    dxo = DXO(DataKind.METRICS, data={"a": 1}, meta={PRIVACY: {"epsilon": value, "delta": 1e-5}})
    assert answer_values(dxo.to_shareable())["epsilon"] is None
