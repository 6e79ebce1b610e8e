"""Worker processes: every item is answered, whatever happens to one of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from fedgin.processes import Lost, map_in_processes


def square_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os._exit(7)
    return number * number


def pid_of(number: int) -> int:
    return os.getpid()


def blocked(number: int) -> set[int]:
    return {int(name) for name in signal.pthread_sigmask(signal.SIG_BLOCK, [])}


def sleep_long(number: int) -> NoReturn:
    time.sleep(600)
    raise AssertionError


def test_a_killed_process_costs_its_item_and_no_other() -> None:
    results = dict(map_in_processes(square_or_die, range(8), workers=2))
    assert results[3] == Lost(-signal.SIGKILL)
    assert results[5] == Lost(7)
    assert {n: r for n, r in results.items() if n not in (3, 5)} == {
        n: n * n for n in (0, 1, 2, 4, 6, 7)
    }
    assert multiprocessing.active_children() == []


def test_few_items_start_few_processes() -> None:
    assert list(map_in_processes(pid_of, [], workers=2)) == []
    results = dict(map_in_processes(pid_of, [0, 1, 2], workers=1))
    assert len(set(results.values())) == 1
    assert os.getpid() not in results.values()


def test_processes_end_when_nobody_wants_more_results() -> None:
    with contextlib.closing(map_in_processes(sleep_long, [0], workers=2)) as results:
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with contextlib.suppress(KeyboardInterrupt):
            next(results)
            raise AssertionError("no result was to come")
    assert multiprocessing.active_children() == []


def test_the_first_process_too_is_deaf_to_the_terminals_interrupt() -> None:
    # Its own interpreter: the tracker of resources starts once in a process, with the first worker.
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_processes import blocked, map_in_processes\n"
        "if __name__ == '__main__':\n"
        "    print(sorted(map_in_processes(blocked, [0, 1], workers=2)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    sigint = int(signal.SIGINT)
    assert run.stdout == f"[(0, {{{sigint}}}), (1, {{{sigint}}})]\n"
