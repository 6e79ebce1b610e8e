"""A site's counts pass a filter rebuilt, in their exact form, where the filter is told so."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.filter import ContentBlockedException, Filter
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey

from fedgin.flare.filters.gaussian_update import GaussianUpdate
from fedgin.flare.filters.heuristic_sharing import ClipUpdate, PercentileSharing, TopKSharing
from fedgin.flare.filters.update_guard import UpdateGuard
from fedgin.flare.ledger_values import answer_values

from .answers import begin, fingerprint_dxo
from .chains import run
from .wire_bytes import wire_bytes

Chains = dict[str, list[Filter]]
CANARY = "Mustermann"
GAUSSIAN: dict[str, float] = {
    "max_norm": 1.0,
    "noise_multiplier": 1.0,
    "delta": 1e-5,
    "epsilon_budget": 1.0,
}
FILTERS: dict[str, Callable[..., Filter]] = {
    "UpdateGuard": UpdateGuard,
    "ClipUpdate": lambda **more: ClipUpdate(1.0, **more),
    "PercentileSharing": lambda **more: PercentileSharing(10, 0.1, **more),
    "TopKSharing": lambda **more: TopKSharing(0.5, **more),
    "GaussianUpdate": lambda **more: GaussianUpdate(**GAUSSIAN, **more),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_is_not_told_so_lets_no_counts_out(name: str, fl_ctx: FLContext) -> None:
    begin(fl_ctx, "fingerprint")
    plain, noisy = fingerprint_dxo(), fingerprint_dxo(epsilon=1.0)
    for allowed, passes in (
        (None, ()),
        ("none", ()),
        ("noisy", (noisy,)),
        ("any", (plain, noisy)),
    ):
        made = FILTERS[name](**({} if allowed is None else {"fingerprints": allowed}))
        for dxo in (plain, noisy):
            if dxo in passes:
                assert from_shareable(made.process(dxo.to_shareable(), fl_ctx)).data == dxo.data
            else:
                with pytest.raises(ContentBlockedException):
                    made.process(dxo.to_shareable(), fl_ctx)
    with pytest.raises(ValueError, match="none, noisy, any"):
        FILTERS[name](fingerprints="all")


def test_what_passes_is_what_was_sent_without_anything_beside_it(
    chains: Chains, fl_ctx: FLContext
) -> None:
    begin(fl_ctx, "fingerprint")
    dxo = fingerprint_dxo()
    dxo.meta["note"] = CANARY
    answer = dxo.to_shareable()
    answer["note"] = CANARY
    answer.set_header("note", CANARY)
    passed = run(chains["open"], answer, fl_ctx)
    assert from_shareable(passed).data == fingerprint_dxo().data
    assert from_shareable(passed).meta == {}
    assert CANARY.encode() not in wire_bytes(passed)


def in_histogram(value: Any) -> Callable[[dict[str, Any]], None]:
    def change(message: dict[str, Any]) -> None:
        message["modalities"]["CT"]["histograms"]["size_x"] = value

    return change


SMUGGLED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a key": lambda m: m.update(note=CANARY),
    "a word": lambda m: m.update(task=CANARY),
    "bins of its own": lambda m: m.update(bins="f" * 64),
    "a histogram": lambda m: m["modalities"]["CT"]["histograms"].update({CANARY: [1]}),
    "an array": in_histogram(np.arange(50)),
    "voxels": in_histogram([0.123] * 50),
    "a text": in_histogram([CANARY] * 50),
    "more bins": in_histogram([1] * 5000),
    "a mapping": in_histogram({CANARY: 1}),
    "a whole image": lambda m: m.update(modalities=np.zeros((9, 9, 9))),
}


@pytest.mark.parametrize("scope", ["open", "standard", "strict"])
@pytest.mark.parametrize("name", SMUGGLED)
def test_nothing_else_leaves_under_a_fingerprint_s_name(
    chains: Chains, fl_ctx: FLContext, scope: str, name: str
) -> None:
    begin(fl_ctx, "fingerprint")
    message = copy.deepcopy(fingerprint_dxo(epsilon=1.0).data)
    SMUGGLED[name](message)
    answer = DXO(data_kind=DataKind.METRICS, data=message).to_shareable()
    with pytest.raises(ContentBlockedException) as caught:
        run(chains[scope], answer, fl_ctx)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", ["hospital", "closed_hospital"])
def test_every_filter_of_a_scope_says_what_it_does_with_counts(repository: Path, kind: str) -> None:
    """One filter of a chain that is not told so would keep every fingerprint back."""
    file = repository / "site_configs" / kind / "privacy.json"
    wanted = {"open": "any", "standard": "any", "strict": "noisy"}
    for scope in json.loads(file.read_text())["scopes"]:
        for each in scope["task_result_filters"]:
            said = each["args"].get("fingerprints")
            assert said == wanted[scope["name"]], (scope["name"], each["path"])


def test_the_ledger_notes_size_and_privacy_loss_of_counts() -> None:
    for epsilon in (None, 2.5):
        result = fingerprint_dxo(epsilon=epsilon).to_shareable()
        result.set_header(ReservedHeaderKey.TASK_NAME, "fingerprint")
        values = answer_values(result)
        assert (values["task"], values["kind"], values["code"]) == (
            "fingerprint",
            "METRICS",
            ReturnCode.OK,
        )
        numbers = sum(
            len(h) for h in fingerprint_dxo().data["modalities"]["CT"]["histograms"].values()
        )
        assert values["bytes"] > 8 * numbers
        assert values["arrays"] == 0
        assert values["epsilon"] == epsilon
        assert values["delta"] == (None if epsilon is None else 0.0)
