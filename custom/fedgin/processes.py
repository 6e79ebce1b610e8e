"""Calling a function in worker processes, of which any may be killed without the others."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from fedgin.parent_watch import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Lost:
    """A worker process died over an item.

    Attributes:
        exit_code: Its exit code; below 0 the signal that killed it.
    """

    exit_code: int | None


def usable_cores() -> int:
    """Counts the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int
) -> Iterator[tuple[int, Result | Lost]]:
    """Calls a function for each item, one item at a time in each process.

    A pool of `concurrent.futures` breaks as a whole with one process, and cannot say over which
    item it died; here it is known, and another process takes its place. Close the iterator, or use
    it up: then no process stays behind.

    Args:
        function: A function that can be sent to another process, as its items and results can.
        items: What to call it for.
        workers: Processes at the same time.

    Yields:
        Number of the item and what the function returned, in the order in which they end.
    """
    waiting = iter(range(len(items)))
    busy: dict[Connection, tuple[_Worker, int]] = {}

    def give(worker: _Worker | None) -> None:
        number = next(waiting, None)
        if number is None:
            if worker is not None:
                worker.end()
            return
        worker = worker or _Worker(function)
        busy[worker.connection] = (worker, number)
        worker.send(items[number])

    try:
        for _ in range(min(workers, len(items))):
            give(None)
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker, number = busy[connection]
                result = worker.receive()
                del busy[connection]
                give(None if isinstance(result, Lost) else worker)
                yield number, result
    finally:
        for worker, _ in busy.values():
            worker.kill()


class _Worker(Generic[Item, Result]):
    """A process that answers one item after another through a pipe."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        # A forked process would inherit other libraries' threads and not their state.
        context = multiprocessing.get_context("spawn")
        # Started with the first process, the tracker would unblock the signal that it blocks.
        resource_tracker.ensure_running()
        self.connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, function), daemon=True)
        with _interrupt_later():
            self._process.start()
        other.close()  # or the pipe would stay open when the process dies

    def send(self, item: Item) -> None:
        with contextlib.suppress(OSError):  # `receive` tells that it is dead
            self.connection.send(item)

    def receive(self) -> Result | Lost:
        try:
            result: Result = self.connection.recv()
            return result
        except (EOFError, OSError):
            self._process.join()
            self.connection.close()
            return Lost(self._process.exitcode)

    def end(self) -> None:
        """Lets the process end, which it does when its pipe closes."""
        self.connection.close()
        self._process.join()

    def kill(self) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.join()


@contextlib.contextmanager
def _interrupt_later() -> Iterator[None]:
    """Starts a process deaf to Ctrl-C, which a terminal sends to all: its parent ends it.

    The new process inherits that the signal is blocked. This one gets it afterwards.
    """
    came: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    # Another thread may take the signal that this one blocks: then a handler keeps it.
    before = (
        signal.signal(signal.SIGINT, lambda number, _: came.append(number)) if in_main else None
    )
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    end_with_parent()
    # What libraries say of a file may name a patient; the results say what is wrong.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(function(item))
