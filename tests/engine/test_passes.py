"""Passes side by side: in order, few at a time, each on one thread, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from fedgin.engine.passes import map_passes

THREADS = 3


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 * (5 - item % 5))
        return item * item

    assert list(map_passes(slow_at_first, range(12), threads=THREADS)) == [
        item * item for item in range(12)
    ]


def test_so_many_run_at_a_time_and_as_many_results_wait() -> None:
    at_once, most, begun = 0, 0, 0
    lock = threading.Lock()

    def count(item: int) -> int:
        nonlocal at_once, most, begun
        with lock:
            at_once, begun = at_once + 1, begun + 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return item

    results = map_passes(count, range(20), threads=THREADS)
    next(results)
    time.sleep(0.3)  # as long as the consumer takes for one result
    assert begun <= THREADS + 1
    assert len(list(results)) == 19
    assert most == THREADS


def test_each_uses_one_thread_and_the_caller_and_later_threads_keep_theirs() -> None:
    def seen(_: int) -> tuple[int, bool, bool]:
        modes = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        return torch.get_num_threads(), *modes

    with torch.inference_mode():
        assert set(map_passes(seen, range(6), threads=THREADS)) == {(1, True, False)}
    assert set(map_passes(seen, range(6), threads=THREADS)) == {(1, False, True)}
    assert list(map_passes(seen, range(2), threads=1)) == [(2, False, True)] * 2
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_a_failure_is_the_caller_s_and_nothing_runs_on() -> None:
    done: list[int] = []

    def fail(item: int) -> int:
        if item == 2:
            raise ValueError("no room")
        time.sleep(0.02)
        done.append(item)
        return item

    with pytest.raises(ValueError, match="no room"):
        list(map_passes(fail, range(50), threads=THREADS))
    assert len(done) < 10
    assert torch.get_num_threads() == 2
