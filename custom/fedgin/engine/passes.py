"""Forward passes side by side, each on one CPU thread.

A pass of a small network has many small operations. Shared by two threads each of them waits for
the slower half; two passes at the same time wait for nothing.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_passes(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Iterator[Result]:
    """Calls a function on items, at most `threads` at a time, and yields what it returns in order.

    What one call computes does not depend on how many run beside it: each uses one thread of
    torch's. Not more than `threads` results wait to be taken.

    Args:
        function: Safe to be called at the same time; with one thread it is called here, with the
            caller's threads.
        items: What it is called on.
        threads: At least 1.

    Raises:
        Exception: The first that a call raised.
    """
    if threads == 1:
        yield from map(function, items)
        return
    inference = torch.is_inference_mode_enabled()
    grads = torch.is_grad_enabled()

    def call(item: Item) -> Result:
        # Torch keeps these modes for each thread.
        with torch.inference_mode(inference), torch.set_grad_enabled(grads):
            return function(item)

    before = torch.get_num_threads()
    rest = iter(items)
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            running: deque[Future[Result]] = deque(
                pool.submit(call, item) for item in itertools.islice(rest, threads)
            )
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(call, item) for item in itertools.islice(rest, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)
            # A thread that asks torch for the first time takes the number that was set last.
            torch.set_num_threads(before)
