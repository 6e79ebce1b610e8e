"""A whole site that is switched off in mid-round, and comes back for the next job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .federation import HOSPITALS, Federation, contributions, report_of

pytestmark = pytest.mark.slow

ROUNDS, LOST = 4, "hospital-b"


def test_the_others_finish_and_the_result_says_who_contributed(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    job = federation.submit(
        tiny_job(
            "lost_site",
            f"num_rounds={ROUNDS}",
            "wait_time_after_min_received=10",
            "validation_timeout=40",
        )
    )
    federation.wait_for_line(job, f"round 2 of {ROUNDS}: begins")
    federation.kill_site(LOST)
    try:
        federation.wait(job, seconds=500)
    finally:
        federation.start_site(LOST)
    workspace = federation.download(job)
    given = contributions(workspace)
    assert sorted(given) == list(range(1, ROUNDS + 1))
    for number in given:
        assert {given[number][site] for site in HOSPITALS if site != LOST} == {"accepted"}
    assert given[1][LOST] == "accepted"
    assert given[ROUNDS][LOST] != "accepted"
    report = report_of(workspace)
    assert report["finished_rounds"] == ROUNDS
    # Every other site measured both models; the loss is named, and nothing else.
    for model in ("best", "last"):
        assert set(report["final"][model]) >= {site for site in HOSPITALS if site != LOST}
    assert report["failures"]
    assert all(LOST in failure for failure in report["failures"])


def test_the_site_is_back_in_the_next_job(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    workspace = federation.run(tiny_job("back", "num_rounds=1", "min_clients=3"))
    assert contributions(workspace) == {1: dict.fromkeys(HOSPITALS, "accepted")}
