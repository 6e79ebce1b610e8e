"""The server's memory over many rounds."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from .federation import SERVER, Federation, contributions, wait_until

pytestmark = pytest.mark.slow

ROUNDS, SETTLED = 30, 10
MIB = 2**20


def test_it_grows_under_a_mebibyte_a_round(
    federation: Federation, tiny_job: Callable[..., Path]
) -> None:
    job = federation.submit(
        tiny_job("many_rounds", f"num_rounds={ROUNDS}", "steps_per_round=1", "min_clients=3")
    )
    process = wait_until(
        lambda: federation.job_processes(SERVER, job), seconds=90, what="the server's job process"
    )[0]
    memory: dict[int, int] = {}

    def watch() -> None:
        while True:
            try:
                resident = process.memory_info().rss
            except psutil.NoSuchProcess:
                return
            begun = federation.job_log(job).count(": begins")
            memory[begun] = max(resident, memory.get(begun, 0))
            if begun >= ROUNDS:
                return
            threading.Event().wait(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert federation.wait(job, seconds=550) == "FINISHED:COMPLETED"
    watcher.join()
    assert len(contributions(federation.download(job))) == ROUNDS
    # The first rounds load libraries and fill caches.
    rounds = np.array([number for number in sorted(memory) if number > SETTLED])
    slope = np.polyfit(rounds, [memory[number] / MIB for number in rounds], deg=1)[0]
    figures = f"{slope:.3f} MiB a round over rounds {SETTLED + 1} to {ROUNDS}"
    sys.stdout.write(f"server's memory: {figures}\n")
    assert slope < 1.0
