"""Noise on a site's update: what is sent, what it costs, and how it ends."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import from_shareable
from nvflare.apis.filter import ContentBlockedException
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply

from fedgin.errors import ConfigError
from fedgin.flare.filters.gaussian_update import BUDGET_FOLDER, GaussianUpdate
from fedgin.flare.filters.half_precision import HalfPrecisionUpload
from fedgin.flare.site_meta import PRIVACY_BUDGET_SPENT, read_privacy
from fedgin.privacy.accounting import gaussian_epsilon
from fedgin.privacy.budget import PrivacyBudget

from .answers import LINEAGE, SITE, arrays, begin, collection_dxo, site_context, update_dxo

RULES = {"max_norm": 0.5, "noise_multiplier": 4.0, "delta": 1e-5, "epsilon_budget": 2.5}


def epsilon(releases: int) -> float:
    return gaussian_epsilon(noise_multiplier=4.0, releases=releases, delta=1e-5)


def release(fl_ctx: FLContext, **rules: Any) -> Shareable:
    """Filters one answer, as a process that has just started would."""
    begin(fl_ctx)
    return GaussianUpdate(**{**RULES, **rules}).process(update_dxo().to_shareable(), fl_ctx)


def test_the_update_is_clipped_and_gets_noise_in_proportion_to_the_sensitivity(
    fl_ctx: FLContext,
) -> None:
    """Against the same sum in float64, with the noise of an injected generator."""
    begin(fl_ctx)
    noisy = GaussianUpdate(**RULES)
    noisy.new_generator = lambda: np.random.default_rng(3)
    sent = from_shareable(noisy.process(update_dxo().to_shareable(), fl_ctx)).data
    update = arrays()
    norm = np.sqrt(sum(float((a.astype(np.float64) ** 2).sum()) for a in update.values()))
    assert norm > 0.5
    generator = np.random.default_rng(3)
    for name, array in update.items():
        noise = generator.normal(0, 2 * 0.5 * 4.0, size=array.shape)
        expected = array.astype(np.float64) * 0.5 / norm + noise
        np.testing.assert_allclose(sent[name], expected, rtol=1e-6)
        assert sent[name].dtype == np.float32


def test_the_noise_is_not_the_job_s_to_know(fl_ctx: FLContext) -> None:
    np.random.seed(0)
    first = from_shareable(release(fl_ctx)).data["conv.weight"]
    np.random.seed(0)
    second = from_shareable(release(fl_ctx)).data["conv.weight"]
    assert not np.intersect1d(first, second).size


def test_the_loss_so_far_travels_in_the_meta_through_further_filters(fl_ctx: FLContext) -> None:
    for number in (1, 2):
        answer = HalfPrecisionUpload().process(release(fl_ctx), fl_ctx)
        assert read_privacy(from_shareable(answer)) == (
            pytest.approx(epsilon(number), rel=1e-9),
            1e-5,
        )


def test_a_round_that_is_sent_again_and_a_job_that_goes_on_count_on(
    kit: Path, fl_ctx: FLContext
) -> None:
    release(fl_ctx)
    release(fl_ctx)
    shutil.rmtree(kit / "job-1")
    resumed = site_context(kit, job="job-2")
    assert read_privacy(from_shareable(release(resumed))) == (
        pytest.approx(epsilon(3), rel=1e-9),
        1e-5,
    )


def test_a_spent_budget_is_answered_with_a_code_of_its_own(fl_ctx: FLContext) -> None:
    passed = 0
    while "DXO" in (answer := release(fl_ctx)):
        passed += 1
    assert answer == make_reply(PRIVACY_BUDGET_SPENT)
    assert epsilon(passed) <= RULES["epsilon_budget"] < epsilon(passed + 1)
    assert release(fl_ctx) == answer
    # The code passes the filters that follow, and says nothing else.
    assert HalfPrecisionUpload().process(answer, fl_ctx) == make_reply(PRIVACY_BUDGET_SPENT)


def test_another_run_has_its_own_budget_and_all_runs_may_have_one_together(
    fl_ctx: FLContext,
) -> None:
    release(fl_ctx)
    both = GaussianUpdate(**RULES, epsilon_budget_all_runs=epsilon(2) * 1.001)
    answers = []
    for lineage in ("cd" * 16, "ef" * 16):
        begin(fl_ctx, lineage=lineage)
        answers.append(both.process(update_dxo().to_shareable(), fl_ctx))
    assert read_privacy(from_shareable(answers[0])) == (pytest.approx(epsilon(1), rel=1e-9), 1e-5)
    assert answers[1] == make_reply(PRIVACY_BUDGET_SPENT)


def test_an_update_that_is_refused_afterwards_was_paid_for_and_none_leaves(
    fl_ctx: FLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("fedgin.flare.filters.gaussian_update.add_noise", fail)
    with pytest.raises(ContentBlockedException):
        release(fl_ctx)
    budget = PrivacyBudget(tmp_path / "state" / SITE / BUDGET_FOLDER)
    assert budget.spent(LINEAGE).releases == 1


def test_a_disk_that_takes_no_charge_lets_no_update_out(fl_ctx: FLContext, tmp_path: Path) -> None:
    (tmp_path / "state" / SITE).mkdir(parents=True)
    (tmp_path / "state" / SITE / BUDGET_FOLDER).write_text("a file in the folder's place")
    with pytest.raises(ContentBlockedException):
        release(fl_ctx)


def test_without_a_folder_for_state_the_budget_lies_where_flare_deletes_nothing(
    kit: Path,
    fl_ctx: FLContext,
    phantom_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "own"))
    shutil.copyfile(phantom_folder / f"{SITE}.yaml", kit / "local" / f"{SITE}.yaml")
    release(fl_ctx)
    folder = tmp_path / "own" / "fedgin" / SITE / BUDGET_FOLDER
    assert PrivacyBudget(folder).spent(LINEAGE).releases == 1
    assert not list(kit.rglob(BUDGET_FOLDER))


def test_controls_never_pass_beside_the_noise(fl_ctx: FLContext) -> None:
    begin(fl_ctx)
    with pytest.raises(ContentBlockedException, match="COLLECTION"):
        GaussianUpdate(**RULES).process(collection_dxo().to_shareable(), fl_ctx)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_norm": 0.0},
        {"max_norm": "1"},
        {"noise_multiplier": -1.0},
        {"delta": 1.0},
        {"epsilon_budget": float("inf")},
        {"epsilon_budget_all_runs": 0.0},
    ],
)
def test_a_number_out_of_range_is_refused_when_the_filter_is_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        GaussianUpdate(**{**RULES, **wrong})
