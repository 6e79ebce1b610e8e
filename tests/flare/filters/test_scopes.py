"""What each scope lets out of a site, task by task, and in what form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.filter import ContentBlockedException, Filter
from nvflare.apis.fl_constant import FilterKey, FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply
from nvflare.apis.utils.task_utils import apply_filters
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants
from nvflare.private.privacy_manager import Scope

from fedgin.flare.delivery import RECEIPT_KEY
from fedgin.flare.filters.task_note import RememberTask
from fedgin.flare.site_meta import (
    PRIVACY,
    SGD_DELTA,
    SGD_EPSILON,
    SGD_UNIT,
    SITE_META_KEYS,
    read_meta,
)

from .answers import (
    arrays,
    begin,
    collection_dxo,
    evaluation_dxo,
    fingerprint_dxo,
    metrics,
    update_dxo,
)
from .chains import SCOPES, load_scopes, run
from .wire_bytes import wire_bytes

Chains = dict[str, list[Filter]]
CANARY = "Mustermann"
RECEIPT = DXO(data_kind=DataKind.METRICS, data={RECEIPT_KEY: "0f" * 32})
MODEL = DXO(
    data_kind=DataKind.WEIGHTS, data={**arrays(), "bn.num_batches_tracked": np.array(3, np.int64)}
)


@pytest.mark.parametrize(
    ("task", "dxo", "scopes"),
    [
        ("train", update_dxo(), SCOPES),
        ("train", collection_dxo(), ("open",)),
        ("train", MODEL, ()),
        ("train", evaluation_dxo(), ()),
        ("validate", evaluation_dxo(), SCOPES),
        ("validate", update_dxo(), ()),
        ("validate", MODEL, ()),
        ("submit_model", MODEL, ("open",)),
        ("submit_model", update_dxo(), ()),
        ("deliver", RECEIPT, SCOPES),
        ("deliver", evaluation_dxo(), ()),
        ("validate", RECEIPT, ()),
        ("fingerprint", fingerprint_dxo(), ("open", "standard")),
        ("fingerprint", fingerprint_dxo(epsilon=2.0), SCOPES),
        ("fingerprint", evaluation_dxo(), ()),
        ("fingerprint", update_dxo(), ()),
        ("fingerprint", RECEIPT, ()),
        ("validate", fingerprint_dxo(), ()),
        ("train", fingerprint_dxo(), ()),
        ("deliver", fingerprint_dxo(), ()),
        ("another", fingerprint_dxo(), ()),
        ("another", update_dxo(), ()),
        ("another", RECEIPT, ()),
    ],
    ids=lambda value: value.data_kind.value if isinstance(value, DXO) else str(value),
)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_task_s_answer_passes_only_where_the_table_says_so(
    chains: Chains, fl_ctx: FLContext, scope: str, task: str, dxo: DXO, scopes: tuple[str, ...]
) -> None:
    begin(fl_ctx, task)
    answer = dxo.to_shareable()
    if scope in scopes:
        passed = from_shareable(run(chains[scope], answer, fl_ctx))
        assert passed.data_kind == dxo.data_kind
    else:
        with pytest.raises(ContentBlockedException):
            run(chains[scope], answer, fl_ctx)


def test_open_changes_no_number(chains: Chains, fl_ctx: FLContext) -> None:
    begin(fl_ctx)
    passed = from_shareable(run(chains["open"], collection_dxo().to_shareable(), fl_ctx))
    sent = collection_dxo()
    for part in (AppConstants.MODEL_WEIGHTS, AlgorithmConstants.SCAFFOLD_CTRL_DIFF):
        assert passed.data[part].data.keys() == sent.data[part].data.keys()
        for name, array in sent.data[part].data.items():
            assert np.array_equal(passed.data[part].data[name], array)
    assert passed.meta == sent.meta
    begin(fl_ctx, "validate")
    passed = from_shareable(run(chains["open"], evaluation_dxo().to_shareable(), fl_ctx))
    assert passed.data == evaluation_dxo().data


@pytest.mark.parametrize("scope", SCOPES)
def test_headers_keys_and_meta_beside_the_allowed_ones_stay(
    chains: Chains, fl_ctx: FLContext, scope: str
) -> None:
    begin(fl_ctx)
    dxo = update_dxo()
    for key in ("note", MetaKey.FILTER_HISTORY, MetaKey.SITE_NAME, PRIVACY):
        dxo.set_meta_prop(key, CANARY)
    answer = dxo.to_shareable()
    answer.set_header("note", CANARY)
    answer.add_cookie("note", CANARY)
    answer["note"] = CANARY
    passed = run(chains[scope], answer, fl_ctx)
    assert passed[ReservedHeaderKey.HEADERS] == {ReservedHeaderKey.CONTENT_TYPE: "DXO"}
    assert set(passed) == {ReservedHeaderKey.HEADERS, "DXO"}
    kept = {*SITE_META_KEYS, MetaKey.NUM_STEPS_CURRENT_ROUND, MetaKey.INITIAL_METRICS}
    assert set(from_shareable(passed).meta) == kept | ({PRIVACY} if scope == "strict" else set())
    assert read_meta(from_shareable(passed)).cases == 8
    assert CANARY.encode() not in wire_bytes(passed)


@pytest.mark.parametrize("scope", SCOPES)
def test_an_error_leaves_as_its_code_alone(chains: Chains, fl_ctx: FLContext, scope: str) -> None:
    begin(fl_ctx)
    answer = update_dxo().to_shareable()
    answer.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    answer.set_header("note", CANARY)
    passed = run(chains[scope], answer, fl_ctx)
    assert passed == make_reply(ReturnCode.EXECUTION_EXCEPTION)
    # A code that FLARE does not know would be a message.
    assert run(chains[scope], make_reply(CANARY), fl_ctx) == make_reply(
        ReturnCode.EXECUTION_EXCEPTION
    )


WRONG_METRICS: list[Any] = [
    {"modality": "CT", "validation": metrics(), "note": CANARY},
    {"modality": "CT", "validation": metrics(note=CANARY)},
    {"modality": "CT", "validation": metrics(per_class={CANARY: 0.5})},
    {"modality": "CT", "validation": metrics(dice=float("nan"))},
    {"modality": "CT", "validation": metrics(dice=2.0)},
    {"modality": "CT", "validation": metrics(dice=True)},
    {"modality": "CT", "validation": metrics(dice=CANARY)},
    {"modality": "CT", "validation": metrics(cases=10**30)},
    {"modality": "CT", "validation": metrics(summary={"heart": {"dice": {"count": 1}}})},
    {"modality": "CT", "validation": metrics(summary={"heart": {CANARY: {}}})},
    {"modality": CANARY, "validation": metrics()},
    {"modality": "CT", "validation": CANARY},
    {"modality": "CT", "validation": np.ones(9)},
    CANARY,
]


@pytest.mark.parametrize("message", WRONG_METRICS, ids=range(len(WRONG_METRICS)))
def test_metrics_in_another_form_are_refused_in_data_and_in_meta(
    chains: Chains, fl_ctx: FLContext, message: Any
) -> None:
    if isinstance(message, dict):
        begin(fl_ctx, "validate")
        answer = DXO(data_kind=DataKind.METRICS, data=message).to_shareable()
        with pytest.raises(ContentBlockedException):
            run(chains["open"], answer, fl_ctx)
    begin(fl_ctx)
    dxo = update_dxo()
    dxo.set_meta_prop(MetaKey.INITIAL_METRICS, message)
    with pytest.raises(ContentBlockedException):
        run(chains["open"], dxo.to_shareable(), fl_ctx)


def test_test_patients_are_no_part_of_the_metrics_before_training(
    chains: Chains, fl_ctx: FLContext
) -> None:
    begin(fl_ctx)
    dxo = update_dxo()
    dxo.set_meta_prop(MetaKey.INITIAL_METRICS, evaluation_dxo().data)
    with pytest.raises(ContentBlockedException, match="unknown keys"):
        run(chains["open"], dxo.to_shareable(), fl_ctx)


def test_without_a_note_of_the_task_nothing_passes(chains: Chains, fl_ctx: FLContext) -> None:
    begin(fl_ctx)
    fl_ctx.set_prop("fedgin_task_note", None, private=True, sticky=False)
    with pytest.raises(ContentBlockedException, match="RememberTask"):
        run(chains["open"], update_dxo().to_shareable(), fl_ctx)


def test_an_exception_says_nothing_of_the_values(chains: Chains, fl_ctx: FLContext) -> None:
    """It goes to the site's own log, which a site may send to others."""
    begin(fl_ctx)
    update = {**arrays(), "conv.bias": np.full(8, np.inf, np.float32)}
    for value in ({CANARY + " ": np.ones(1)}, update, {"conv.bias": CANARY}):
        with pytest.raises(ContentBlockedException) as caught:
            run(chains["open"], update_dxo(value).to_shareable(), fl_ctx)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("answer", [None, {}, CANARY, Shareable()])
def test_what_is_no_answer_is_refused(chains: Chains, fl_ctx: FLContext, answer: Any) -> None:
    begin(fl_ctx)
    for scope in SCOPES:
        with pytest.raises(ContentBlockedException):
            run(chains[scope], answer, fl_ctx)


@pytest.mark.parametrize("scope", ["open", "standard"])
def test_what_private_training_says_of_itself_passes_and_nothing_else_under_its_keys(
    chains: Chains, fl_ctx: FLContext, scope: str
) -> None:
    begin(fl_ctx)
    said = {SGD_EPSILON: 2.5, SGD_DELTA: 1e-5, SGD_UNIT: "patient"}
    answer = update_dxo()
    answer.meta.update(said)
    passed = from_shareable(run(chains[scope], answer.to_shareable(), fl_ctx))
    assert {key: passed.meta[key] for key in said} == said
    for key, value in ((SGD_UNIT, CANARY), (SGD_EPSILON, CANARY), (SGD_DELTA, float("nan"))):
        answer = update_dxo()
        answer.meta.update({**said, key: value})
        with pytest.raises(ContentBlockedException):
            run(chains[scope], answer.to_shareable(), fl_ctx)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_site_may_say_which_classes_it_does_not_annotate_and_nothing_else(
    chains: Chains, fl_ctx: FLContext, scope: str
) -> None:
    begin(fl_ctx, "validate")
    answer = evaluation_dxo()
    answer.data["not_annotated"] = ["pancreas", "liver", "pancreas"]
    passed = from_shareable(run(chains[scope], answer.to_shareable(), fl_ctx))
    # The order says nothing.
    assert passed.data["not_annotated"] == ["liver", "pancreas"]
    answer.data["not_annotated"] = ["liver", CANARY]
    with pytest.raises(ContentBlockedException):
        run(chains[scope], answer.to_shareable(), fl_ctx)


class Loaded(str):
    """A text that carries more than it shows, as FLARE's messages allow."""


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("place", ["name", "code", "modality", "class"])
def test_a_text_that_carries_more_than_it_shows_does_not_leave(
    chains: Chains, fl_ctx: FLContext, scope: str, place: str
) -> None:
    def loaded(text: str) -> str:
        made = Loaded(text)
        made.hidden = CANARY * 10  # type: ignore[attr-defined]
        return made

    task = "validate" if place == "class" else "train"
    begin(fl_ctx, task)
    answer = update_dxo()
    if place == "name":
        answer.data = {loaded(name): array for name, array in answer.data.items()}
    elif place == "modality":
        answer.meta[SITE_META_KEYS[0]] = loaded("CT")
    elif place == "class":
        answer = evaluation_dxo()
        part = answer.data["validation"]
        part["per_class"] = {loaded(name): value for name, value in part["per_class"].items()}
    message = answer.to_shareable()
    if place == "code":
        message.set_return_code(loaded(ReturnCode.EXECUTION_EXCEPTION))
    try:
        left = run(chains[scope], message, fl_ctx)
    except ContentBlockedException:
        return
    assert CANARY.encode() not in wire_bytes(left)


@pytest.mark.parametrize("scope", SCOPES)
def test_an_answer_to_a_task_without_a_model_has_no_names_to_go_by(
    chains: Chains, fl_ctx: FLContext, scope: str
) -> None:
    begin(fl_ctx)
    RememberTask().process(Shareable(), fl_ctx)
    with pytest.raises(ContentBlockedException, match="whose arrays are known"):
        run(chains[scope], update_dxo().to_shareable(), fl_ctx)


@pytest.mark.parametrize("scope", SCOPES)
def test_what_a_controller_at_the_site_pushes_does_not_leave(
    repository: Path, tmp_path: Path, fl_ctx: FLContext, scope: str
) -> None:
    # FLARE's swarm controller sends a site's result as the data of a task of its own.
    fl_ctx.set_prop(
        FLContextKey.SCOPE_OBJECT,
        load_scopes(repository, tmp_path).get_scope(scope),
        private=True,
        sticky=False,
    )
    pushed = update_dxo().to_shareable()
    name = "swarm_report_learn_result"
    with pytest.raises(ContentBlockedException, match="a site sends no tasks"):
        apply_filters(Scope.TASK_DATA_FILTERS_NAME, pushed, fl_ctx, {}, name, FilterKey.OUT)
    assert apply_filters(Scope.TASK_DATA_FILTERS_NAME, pushed, fl_ctx, {}, name, FilterKey.IN)
