"""A site's job process that is killed: started again, and bearable when that fails too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from .conftest import ROUNDS
from .federation import HOSPITALS, Federation, contributions, report_of, wait_until, weights

pytestmark = pytest.mark.slow


def test_a_killed_process_is_replaced_and_changes_nothing(
    federation: Federation, tiny_job: Callable[..., Path], undisturbed: Path
) -> None:
    job = federation.submit(tiny_job("killed_once", f"num_rounds={ROUNDS}", "min_clients=3"))
    federation.wait_for_line(job, f"round 2 of {ROUNDS}: begins")
    killed = federation.kill_job("hospital-b", job)
    federation.wait_for_line(job, f"round 3 of {ROUNDS}: begins")
    assert killed not in [process.pid for process in federation.job_processes("hospital-b", job)]
    assert federation.wait(job) == "FINISHED:COMPLETED"
    workspace = federation.download(job)
    everyone = dict.fromkeys(HOSPITALS, "accepted")
    assert contributions(workspace) == dict.fromkeys(range(1, ROUNDS + 1), everyone)
    assert report_of(workspace)["failures"] == []
    # A round depends on what lies on disk alone: the same bits as without the kill.
    first, second = weights(undisturbed), weights(workspace)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_process_killed_again_and_again_leaves_the_others_running(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    job = federation.submit(
        tiny_job(
            "killed_twice",
            f"num_rounds={ROUNDS}",
            "wait_time_after_min_received=12",
            "validation_timeout=40",
        )
    )
    federation.wait_for_line(job, f"round 2 of {ROUNDS}: begins")
    first = federation.kill_job("hospital-b", job)
    wait_until(
        lambda: [p for p in federation.job_processes("hospital-b", job) if p.pid != first],
        seconds=60,
        what="another process",
    )
    federation.kill_job("hospital-b", job)
    assert federation.wait(job, seconds=400) == "FINISHED:COMPLETED"
    given = contributions(federation.download(job))
    for number in range(1, ROUNDS + 1):
        assert given[number]["hospital-a"] == given[number]["hospital-c"] == "accepted"
    assert given[ROUNDS]["hospital-b"] != "accepted"
