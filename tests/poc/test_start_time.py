"""How long it takes from nothing to the end of a federation's first round."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import section
from .federation import Federation, copy_project, free_port

pytestmark = pytest.mark.slow

LIMIT_SECONDS = 90


def test_provision_start_and_first_round(
    repository: Path,
    walkthrough: dict[str, str],
    tiny_job: Callable[..., Path],
    tmp_path: Path,
) -> None:
    job = tiny_job("first", "num_rounds=1", "min_clients=3")
    federation = Federation(folder=tmp_path / "federation", repository=repository)
    copy_project(repository, federation.folder, port=free_port())
    start = time.monotonic()
    try:
        federation.bash(section(walkthrough, "1. Provision"))
        federation.bash(section(walkthrough, "2. Every participant"))
        provisioned = time.monotonic() - start
        federation.start_all()
        started = time.monotonic() - start
        federation.wait_for_line(federation.submit(job), "round 1 of 1: ended")
        ended = time.monotonic() - start
    finally:
        federation.stop()
    figures = f"provisioned {provisioned:.0f} s, started {started:.0f} s, first round {ended:.0f} s"
    sys.stdout.write(f"since the start: {figures}\n")
    assert ended < LIMIT_SECONDS
