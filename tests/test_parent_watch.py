"""Processes that end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PARENT_OF_A_POOL = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from fedgin.parent_watch import end_with_parent

def work(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(0.1)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(2, mp_context=context, initializer=end_with_parent)
    list(pool.map(work, [sys.argv[1]] * 8))
    print("ready", flush=True)
    time.sleep(600)
"""

PARENT_OF_A_COMMAND = """
import subprocess, sys, time
from fedgin.parent_watch import guarded
child = "import os, subprocess, sys, time; open(sys.argv[1] + '/' + str(os.getpid()), 'w').close();"
grandchild = child + "time.sleep(600)"
child += "subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]])"
command = [sys.executable, "-c", child, sys.argv[1], grandchild]
subprocess.Popen(guarded(command), start_new_session=True)
time.sleep(600)
"""


def test_the_workers_of_a_killed_pool_end(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT_OF_A_POOL)
    seen = tmp_path / "seen"
    seen.mkdir()
    command = [sys.executable, str(script), str(seen)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    _killed_with_its_children(parent, [int(file.name) for file in seen.iterdir()])


def test_a_guarded_command_and_its_children_end(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT_OF_A_COMMAND, str(tmp_path)])
    _wait(lambda: len(list(tmp_path.iterdir())) == 2)
    _killed_with_its_children(parent, [int(file.name) for file in tmp_path.iterdir()])


def test_a_guarded_command_keeps_its_exit_code() -> None:
    code = "from fedgin.parent_watch import guarded; import subprocess, sys; sys.exit("
    code += "subprocess.run(guarded([sys.executable, '-c', 'raise SystemExit(7)'])).returncode)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 7


def _killed_with_its_children(parent: subprocess.Popen[str], children: list[int]) -> None:
    assert children and all(_lives(child) for child in children)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait(lambda: not any(_lives(child) for child in children))


def _wait(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
