"""Whatever a site's code answers, by mistake or by malice: no raw value and no name leaves.

All kinds of DXO meet all faults in all scopes; what a chain lets out is serialised as FLARE does
it, and its bytes are searched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.filter import ContentBlockedException, Filter
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.fl_exception import UnsafeJobError
from nvflare.apis.shareable import Shareable, make_reply

from fedgin.flare.filters.base import KNOWN_CODES
from fedgin.privacy.clipping import update_norm

from .answers import Arrays, arrays, begin, collection_dxo, evaluation_dxo, update_dxo
from .chains import SCOPES, run
from .wire_bytes import leaked, wire_bytes

CANARY = "Mustermann^Erika"
TASKS = ("train", "validate", "submit_model", "deliver", "fingerprint", "another")
RAW = {name: array.astype(np.float32) for name, array in arrays(7).items()}
CONTROL = collection_dxo().data["scaffold_c_diff"].data


def plain(kind: str) -> Any:
    """Makes an answer of a kind that holds the raw values."""
    if kind == DataKind.COLLECTION:
        dxo = collection_dxo()
        dxo.data["model_weights"] = DXO(data_kind=DataKind.WEIGHT_DIFF, data=dict(RAW))
        return dxo
    if kind == DataKind.METRICS:
        dxo = evaluation_dxo()
        dxo.data["validation"]["features"] = RAW["conv.weight"]
        return dxo
    dxo = update_dxo(dict(RAW))
    dxo.data_kind = kind
    return dxo


def broken(arrays_: Arrays, value: Any) -> Arrays:
    return {**arrays_, "conv.bias": value}


def fault_none(answer: Shareable) -> Any:
    return None


def fault_values(value: Any) -> Callable[[Shareable], Any]:
    """Puts something else in place of one array, or beside it."""

    def change(answer: Shareable) -> Any:
        content = answer["DXO"]["data"]
        part = content.get("model_weights")
        (part.data if isinstance(part, DXO) else content)["conv.bias"] = value
        return answer

    return change


def fault_code(code: Any) -> Callable[[Shareable], Any]:
    def change(answer: Shareable) -> Any:
        answer.set_return_code(code)
        return answer

    return change


def fault_entry(path: tuple[str, ...], value: Any) -> Callable[[Shareable], Any]:
    """Writes a value anywhere into the answer."""

    def change(answer: Shareable) -> Any:
        node: Any = answer
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        return answer

    return change


class Explosive(dict):  # type: ignore[type-arg]
    """A mapping that fails when it is read, with a name in its error."""

    def items(self) -> Any:
        raise OSError(f"/data/{CANARY}.nii.gz")

    def __iter__(self) -> Any:
        raise OSError(f"/data/{CANARY}.nii.gz")


FAULTS: dict[str, Callable[[Shareable], Any]] = {
    "none at all": lambda answer: answer,
    "None": fault_none,
    "a dict": lambda answer: dict(answer),
    "no DXO": fault_entry(("__headers__",), {}),
    "headers that are none": fault_entry(("__headers__",), [CANARY]),
    "no content": fault_entry(("DXO",), None),
    "an unknown kind": fault_entry(("DXO", "kind"), CANARY),
    "no kind": fault_entry(("DXO", "kind"), None),
    "data None": fault_entry(("DXO", "data"), None),
    "data that fails": fault_entry(("DXO", "data"), Explosive(RAW)),
    "meta None": fault_entry(("DXO", "meta"), None),
    "a meta key": fault_entry(("DXO", "meta", "note"), CANARY),
    "meta modality": fault_entry(("DXO", "meta", "fedgin_modality"), CANARY),
    "meta steps": fault_entry(("DXO", "meta", MetaKey.NUM_STEPS_CURRENT_ROUND), CANARY),
    "meta metrics": fault_entry(("DXO", "meta", MetaKey.INITIAL_METRICS), {"note": CANARY}),
    "meta privacy": fault_entry(("DXO", "meta", "fedgin_privacy"), CANARY),
    "a header": fault_entry(("__headers__", "note"), CANARY),
    "a key": fault_entry(("note",), dict(RAW)),
    "nan": fault_values(np.array([np.nan] * 8, np.float32)),
    "infinite": fault_values(np.array([np.inf] * 8, np.float32)),
    "another shape": fault_values(np.ones((9, 9), np.float32)),
    "an object": fault_values(np.array([CANARY] * 8, dtype=object)),
    "text": fault_values(np.array([CANARY] * 8)),
    "a list": fault_values([CANARY]),
    "complex": fault_values(np.ones(8, np.complex64)),
    "a type with metadata": fault_values(np.ones(8, np.dtype("f4", metadata={"note": CANARY}))),
    "an array's name": fault_entry(("DXO", "data", CANARY), RAW["conv.weight"]),
    "a spare array": fault_entry(("DXO", "data", "spare"), RAW["conv.weight"]),
    **{f"code {code}": fault_code(code) for code in sorted(KNOWN_CODES - {ReturnCode.OK})},
    "a code of its own": fault_code(CANARY),
    "a code that is none": fault_code({"note": CANARY}),
    "an empty code": fault_code(""),
}


def answer_of(kind: str, fault: str) -> Any:
    return FAULTS[fault](plain(kind).to_shareable())


def out_of(chain: list[Filter], answer: Any, fl_ctx: FLContext) -> Shareable:
    """What FLARE's client would send: the filtered answer, or a code in place of an exception."""
    try:
        return run(chain, answer, fl_ctx)
    except Exception:
        return make_reply(ReturnCode.TASK_RESULT_FILTER_ERROR)


@given(
    kind=st.sampled_from([kind.value for kind in DataKind]),
    fault=st.sampled_from(sorted(FAULTS)),
    task=st.sampled_from(TASKS),
    scope=st.sampled_from(SCOPES),
)
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_fault_of_any_kind_lets_raw_values_or_a_name_out(
    chains: dict[str, list[Filter]], fl_ctx: FLContext, kind: str, fault: str, task: str, scope: str
) -> None:
    begin(fl_ctx, task)
    sent = out_of(chains[scope], answer_of(kind, fault), fl_ctx)
    raw = [*RAW.values(), *CONTROL.values()]
    if scope != "strict":
        # The update of a train task is what these scopes send; it must be that, and nothing else.
        allowed = {
            "open": {
                ("train", "WEIGHT_DIFF"),
                ("train", "COLLECTION"),
                ("submit_model", "WEIGHTS"),
            },
            "standard": {("train", "WEIGHT_DIFF")},
        }
        if (task, kind) in allowed[scope]:
            raw = []
    assert not leaked(wire_bytes(sent), raw, CANARY)


@pytest.mark.parametrize("scope", SCOPES)
def test_every_pair_of_kind_and_fault_once(
    chains: dict[str, list[Filter]], fl_ctx: FLContext, scope: str
) -> None:
    """All of them in the task whose answers hold values, without leaving it to chance."""
    passed = []
    for kind in [kind.value for kind in DataKind]:
        for fault in FAULTS:
            begin(fl_ctx)
            sent = out_of(chains[scope], answer_of(kind, fault), fl_ctx)
            content = wire_bytes(sent)
            assert not leaked(content, [], CANARY), (kind, fault)
            if "DXO" in sent:
                passed.append(fault)
                assert kind in ("WEIGHT_DIFF", "COLLECTION"), (kind, fault)
                if scope == "strict":
                    assert not leaked(content, RAW.values(), CANARY), (kind, fault)
    # Faults beside the data do not stop the data.
    assert set(passed) == {
        "none at all",
        "meta None",
        "a meta key",
        "meta privacy",
        "a header",
        "a key",
    }


def test_without_the_filters_all_of_it_would_leave(fl_ctx: FLContext) -> None:
    """The search finds what there is to find."""
    for fault in ("a meta key", "a header", "a key", "none at all"):
        content = wire_bytes(answer_of("WEIGHT_DIFF", fault))
        assert "values as float32" in leaked(content, RAW.values(), CANARY)
        assert ("canary" in leaked(content, [], CANARY)) == (fault in ("a meta key", "a header"))
    half = {name: array.astype(np.float16) for name, array in RAW.items()}
    content = wire_bytes(update_dxo(half).to_shareable())
    assert "values as float16" in leaked(content, RAW.values(), CANARY)


@pytest.mark.parametrize("error", [MemoryError, UnsafeJobError])
def test_a_filter_that_fails_inside_lets_nothing_out(
    chains: dict[str, list[Filter]],
    fl_ctx: FLContext,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    """Whatever the error: some of FLARE's own would stop the whole job."""

    def fail(*_: Any, **__: Any) -> None:
        raise error(CANARY)

    begin(fl_ctx)
    answer = update_dxo(dict(RAW)).to_shareable()
    monkeypatch.setattr("fedgin.flare.filters.gaussian_update.clip_update", fail)
    with pytest.raises(ContentBlockedException):
        run(chains["strict"], answer, fl_ctx)
    monkeypatch.undo()
    sent = from_shareable(run(chains["strict"], answer, fl_ctx)).data
    assert update_norm(sent) > 0.1
