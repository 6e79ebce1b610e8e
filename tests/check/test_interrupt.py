"""Ctrl-C, as a terminal sends it to the command and all of its processes."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

CHECK = "from fedgin.cli import main; main()"


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_an_interrupt_ends_the_command_and_its_processes_in_a_line(
    seconds: float, tmp_path: Path
) -> None:
    site = tmp_path / "site-9.yaml"
    site.write_text(
        "modality: CT\ndataset: {kind: phantom, protocol: native, seed: 1, cases: 500}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", CHECK, "check", str(site), "--task", "abdomen", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A process that was started in the background ignores it, and so would this one.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(children_of(process)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)  # in the midst of starting, or of reading
    workers = children_of(process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "stopped after" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
