"""A server that is killed in mid-run: the job goes on from its checkpoint, with the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fedgin.flare.checkpoints import list_checkpoints
from fedgin.jobs.resume import resume_job

from .conftest import ROUNDS
from .federation import (
    HOSPITALS,
    SERVER,
    Federation,
    contributions,
    report_of,
    wait_until,
    weights,
)

pytestmark = pytest.mark.slow

KILLED_AFTER = 2


def test_a_resumed_job_ends_with_the_uninterrupted_run_s_model(
    federation: Federation, tiny_job: Callable[..., Path], undisturbed: Path, tmp_path: Path
) -> None:
    storage = federation.folder / "storage" / "checkpoints"
    before = set(storage.iterdir())
    job = federation.submit(tiny_job("crashed", f"num_rounds={ROUNDS}", "min_clients=3"))
    federation.wait_for_line(job, f"round {KILLED_AFTER + 1} of {ROUNDS}: begins")
    federation.kill_site(SERVER)
    (lineage,) = set(storage.iterdir()) - before
    checkpoint = list_checkpoints(lineage)[-1]
    assert checkpoint.stem == f"after-round-{KILLED_AFTER:05d}"

    federation.start_site(SERVER)
    wait_until(lambda: federation.clients() == list(HOSPITALS), seconds=120, what="all sites back")
    resumed = resume_job(checkpoint, tmp_path / "rest", byoc=False)
    assert resumed.finished_rounds == KILLED_AFTER
    identifier = federation.submit(tmp_path / "rest")
    assert federation.wait(identifier, seconds=400) == "FINISHED:COMPLETED"
    workspace = federation.download(identifier)
    everyone = dict.fromkeys(HOSPITALS, "accepted")
    assert contributions(workspace) == dict.fromkeys(range(1, ROUNDS + 1), everyone)
    assert report_of(workspace)["failures"] == []
    first, second = weights(undisturbed), weights(workspace)
    assert all(torch.equal(first[name], second[name]) for name in first)
