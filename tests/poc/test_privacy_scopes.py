"""A site's scopes filter what leaves it, whatever the job says, with FLARE's own filters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedgin.engine.weights import get_weights
from fedgin.networks import build_network
from fedgin.settings import SETTINGS_FILE, read_settings

from .federation import HOSPITALS, Federation, weights

pytestmark = pytest.mark.slow


def in_scope(job: Path, scope: str) -> Path:
    meta = json.loads((job / "meta.json").read_text())
    (job / "meta.json").write_text(json.dumps({**meta, "scope": scope}))
    return job


def unchanged(job: Path, workspace: Path) -> float:
    """Returns the share of the model's values that one round did not change at all."""
    before = get_weights(build_network(read_settings(job / "app" / "config" / SETTINGS_FILE)))
    after = weights(workspace)
    same = [np.ravel(before[name] == after[name].numpy()) for name in before]
    return float(np.concatenate(same).mean())


def test_the_strict_scope_holds_back_values_that_the_open_one_sends(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    shares = {}
    for scope in ("open", "strict"):
        job = in_scope(tiny_job(f"scope_{scope}", "num_rounds=1", "min_clients=3"), scope)
        shares[scope] = unchanged(job, federation.run(job))
    # Half of each site's values stay there, the smallest; where all three agree, nothing changes.
    assert shares["open"] < 0.01
    assert shares["strict"] > 0.1


def test_an_unknown_scope_is_refused_by_every_site(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    job = in_scope(tiny_job("scope_unknown", "num_rounds=1", "min_clients=3"), "whatever")
    identifier = federation.submit(job)
    status = federation.wait(identifier)
    assert status != "FINISHED:COMPLETED"
    assert not [site for site in HOSPITALS if federation.job_log(identifier, site=site)]
