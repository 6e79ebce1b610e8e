"""Arrays that stay at a site are neither sent nor overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.filter import ContentBlockedException
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

from fedgin.flare.context import LINEAGE_HEADER
from fedgin.flare.filters.partial_sharing import KeepOwnValues, PartialSharing

from .answers import LINEAGE, Arrays, arrays, begin, site_context, update_dxo

LOCAL = r"conv\.bias|norm\..*"
KEPT = ("conv.bias", "norm.count")


def task(number: int | None, seed: int) -> Shareable:
    data = DXO(data_kind=DataKind.WEIGHTS, data=arrays(seed)).to_shareable()
    if number is not None:
        data.set_header(AppConstants.CURRENT_ROUND, number)
        data.set_header(LINEAGE_HEADER, LINEAGE)
    return data


def received(fl_ctx: FLContext, number: int | None, seed: int) -> Arrays:
    """The weights that the Learner gets."""
    begin(fl_ctx)
    data: Arrays = from_shareable(KeepOwnValues(LOCAL).process(task(number, seed), fl_ctx)).data
    return data


def one_round(fl_ctx: FLContext, number: int, *, server: int, update: int) -> tuple[Arrays, Arrays]:
    """Plays a round; returns what the Learner got and what is sent."""
    got = received(fl_ctx, number, server)
    answer = PartialSharing(LOCAL).process(update_dxo(arrays(update)).to_shareable(), fl_ctx)
    return got, from_shareable(answer).data


def test_the_site_s_values_survive_the_server_s_round_after_round(fl_ctx: FLContext) -> None:
    got, sent = one_round(fl_ctx, 0, server=10, update=20)
    assert all(np.array_equal(got[name], array) for name, array in arrays(10).items())
    own = {name: arrays(10)[name] + arrays(20)[name] for name in KEPT}
    for number in (1, 2):
        got, sent = one_round(fl_ctx, number, server=10 + number, update=20 + number)
        for name in KEPT:
            assert np.array_equal(got[name], own[name])
            assert not sent[name].any()
            own[name] = own[name] + arrays(20 + number)[name]
        assert np.array_equal(got["conv.weight"], arrays(10 + number)["conv.weight"])
        assert np.array_equal(sent["conv.weight"], arrays(20 + number)["conv.weight"])
    # The final evaluation measures the site's own model; its task names no round and no run.
    from fedgin.engine.lineage import join_lineage
    from fedgin.flare.context import run_folder

    join_lineage(run_folder(fl_ctx), LINEAGE)
    assert all(np.array_equal(received(fl_ctx, None, 13)[name], own[name]) for name in KEPT)


def test_a_round_that_comes_again_starts_from_the_same_values(kit: Path, fl_ctx: FLContext) -> None:
    one_round(fl_ctx, 0, server=10, update=20)
    first, _ = one_round(fl_ctx, 1, server=11, update=21)
    resumed = site_context(kit, job="job-2")
    again, _ = one_round(resumed, 1, server=11, update=22)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    third = received(resumed, 2, 12)
    for name in KEPT:
        assert np.array_equal(third[name], again[name] + arrays(22)[name])


def test_without_the_other_direction_nothing_leaves(fl_ctx: FLContext) -> None:
    begin(fl_ctx)
    with pytest.raises(ContentBlockedException, match="KeepOwnValues"):
        PartialSharing(LOCAL).process(update_dxo().to_shareable(), fl_ctx)
    received(fl_ctx, 0, 1)
    with pytest.raises(ContentBlockedException, match="KeepOwnValues"):
        PartialSharing("conv.*").process(update_dxo().to_shareable(), fl_ctx)


def test_an_expression_that_matches_nothing_and_a_task_without_weights_are_refused(
    fl_ctx: FLContext,
) -> None:
    with pytest.raises(ContentBlockedException, match="no array"):
        KeepOwnValues("nothing").process(task(0, 1), fl_ctx)
    with pytest.raises(ContentBlockedException):
        KeepOwnValues(LOCAL).process(Shareable(), fl_ctx)


def test_a_run_s_name_that_leads_elsewhere_is_refused(fl_ctx: FLContext) -> None:
    data = task(0, 1)
    data.set_header(LINEAGE_HEADER, "../../outside")
    with pytest.raises(ContentBlockedException, match="lineage"):
        KeepOwnValues(LOCAL).process(data, fl_ctx)


def test_values_kept_of_another_model_are_refused(fl_ctx: FLContext) -> None:
    one_round(fl_ctx, 0, server=10, update=20)
    data = task(1, 11)
    data["DXO"]["data"]["conv.bias"] = np.zeros(9, np.float32)
    with pytest.raises(ContentBlockedException, match="not those of the model"):
        KeepOwnValues(LOCAL).process(data, fl_ctx)
