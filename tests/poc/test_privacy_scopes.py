"""A site's scopes rule what leaves it, whatever the job says, each site by its own numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.privacy.accounting import gaussian_epsilon
from fedgin.settings import SETTINGS_FILE, read_settings

from .federation import HOSPITALS, Federation, weights

pytestmark = pytest.mark.slow

Policy = dict[str, Any]


def in_scope(job: Path, scope: str) -> Path:
    meta = json.loads((job / "meta.json").read_text())
    (job / "meta.json").write_text(json.dumps({**meta, "scope": scope}))
    return job


@pytest.fixture
def change_policy(
    federation: Federation,
) -> Iterator[Callable[[str, Callable[[Policy], None]], None]]:
    """Edits a hospital's own policy, for the jobs that start from now on."""
    before: dict[Path, str] = {}

    def change(site: str, edit: Callable[[Policy], None]) -> None:
        file = federation.kit(site) / "local" / "privacy.json"
        before.setdefault(file, file.read_text())
        policy = json.loads(before[file])
        edit(policy)
        file.write_text(json.dumps(policy))

    yield change
    for file, text in before.items():
        file.write_text(text)


def test_a_site_whose_budget_is_spent_leaves_the_run_and_the_others_go_on(
    federation: Federation,
    tiny_job: Callable[..., Path],
    change_policy: Callable[[str, Callable[[Policy], None]], None],
) -> None:
    one, two = (
        gaussian_epsilon(noise_multiplier=5.0, releases=number, delta=1e-5) for number in (1, 2)
    )

    def allow_one_release(policy: Policy) -> None:
        (strict,) = (scope for scope in policy["scopes"] if scope["name"] == "strict")
        strict["task_result_filters"][-1]["args"]["epsilon_budget"] = (one + two) / 2

    change_policy("hospital-b", allow_one_release)
    # The job's own filters come after the site's: the noise is in the halves.
    own = ("upload_precision=float16", r"keep_local=.*\.bias")
    job = in_scope(tiny_job("scope_strict", "num_rounds=2", "min_clients=2", *own), "strict")
    identifier = federation.submit(job)
    assert federation.wait(identifier) == "FINISHED:COMPLETED"
    workspace = federation.download(identifier)
    with (workspace / "contributions.csv").open() as file:
        rows = {(int(row["round"]), row["site"]): row for row in csv.DictReader(file)}
    for site in HOSPITALS:
        assert float(rows[1, site]["epsilon"]) == pytest.approx(one, rel=1e-4)
    for site in ("hospital-a", "hospital-c"):
        assert rows[2, site]["contribution"] == "accepted"
        assert float(rows[2, site]["epsilon"]) == pytest.approx(two, rel=1e-4)
    spent = rows[2, "hospital-b"]
    assert spent["contribution"] == "refused"
    assert spent["reason"] == "hospital-b answered PRIVACY_BUDGET_SPENT"
    assert "no update leaves" in federation.job_log(identifier, site="hospital-b")
    # What the sites keep to themselves is in the model as it was at first, and nothing else is.
    after = weights(workspace)
    before = get_weights(build_network(read_settings(job / "app" / "config" / SETTINGS_FILE)))
    same = {name: np.array_equal(before[name], after[name].numpy()) for name in before}
    assert any(same.values())
    assert same == {name: name.endswith(".bias") for name in before}


def test_an_unknown_scope_is_refused_by_every_site(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    job = in_scope(tiny_job("scope_unknown", "num_rounds=1", "min_clients=3"), "whatever")
    identifier = federation.submit(job)
    status = federation.wait(identifier)
    assert status != "FINISHED:COMPLETED"
    assert not [site for site in HOSPITALS if federation.job_log(identifier, site=site)]


def test_a_scope_that_a_site_withdrew_starts_nothing_there(
    federation: Federation,
    tiny_job: Callable[..., Path],
    change_policy: Callable[[str, Callable[[Policy], None]], None],
) -> None:
    """FLARE's client knows its scopes as they were when it started."""

    def withdraw(policy: Policy) -> None:
        policy["scopes"] = [scope for scope in policy["scopes"] if scope["name"] != "standard"]

    change_policy("hospital-b", withdraw)
    job = in_scope(tiny_job("scope_gone", "num_rounds=1", "min_clients=2"), "standard")
    identifier = federation.submit(job)
    assert federation.wait(identifier) != "FINISHED:COMPLETED"
    assert not federation.job_log(identifier, site="hospital-b")
    parent_log = (federation.kit("hospital-b") / "log.txt").read_text(errors="replace")
    assert "the job's scope: it must be one of open, strict" in parent_log
