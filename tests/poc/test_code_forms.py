"""Code on its way to the sites: brought along by the job, or installed by each site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .federation import Federation, contributions

pytestmark = pytest.mark.slow

OPEN, CLOSED = ("hospital-a", "hospital-b"), "hospital-c"


def test_a_closed_site_refuses_code_that_a_job_brings(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    # The two open sites have CT only, so the quorum of MR sites is set aside here.
    job = tiny_job("byoc", "num_rounds=1", "min_sites.mr=0", byoc=True)
    identifier = federation.submit(job)
    assert federation.wait(identifier) == "FINISHED:COMPLETED"
    accepted = contributions(federation.download(identifier))
    assert accepted == {1: dict.fromkeys(OPEN, "accepted")}
    # It has not even unpacked the code.
    assert not (federation.kit(CLOSED) / identifier / "app_hospital-c" / "custom").exists()
    assert (federation.kit(OPEN[0]) / identifier / "app_hospital-a" / "custom" / "fedgin").is_dir()


def test_a_closed_site_runs_what_it_has_installed(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    workspace = federation.run(tiny_job("installed", "num_rounds=1", "min_clients=3"))
    assert contributions(workspace) == {1: dict.fromkeys((*OPEN, CLOSED), "accepted")}


def test_who_may_not_submit_is_refused(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    job = tiny_job("not_allowed", "num_rounds=1")
    # An org_admin operates his own hospital's site, and submits nothing.
    with pytest.raises(AssertionError, match=r"(?i)not authorized|permission"):
        federation.nvflare("job", "submit", "-j", str(job), user="it@hospital-c.org")
