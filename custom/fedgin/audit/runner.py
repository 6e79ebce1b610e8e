"""Running the audit's rows, two at a time, each in a process of its own with one thread."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

from fedgin.audit.registry import load_row
from fedgin.audit.row import AuditRow
from fedgin.threads import set_threads

logger = logging.getLogger(__name__)

LONGEST_FIRST = (
    "canaries",
    "poisoning",
    "hostile_headers",
    "inversion",
    "membership",
    "utility",
    "backdoor",
)
"""Rows to start first, so that no long row is alone at the end; the others follow."""


def run_rows(
    names: Sequence[str],
    *,
    folder: Path,
    seed: int,
    workers: int,
    on_row: Callable[[str, AuditRow], None] = lambda name, row: None,
) -> dict[str, AuditRow]:
    """Runs rows of the audit.

    Args:
        names: Names of the rows, see `fedgin.audit.registry`.
        folder: A folder for what the rows write, each in a folder of its own.
        seed: Seed of all draws.
        workers: Rows that run at the same time.
        on_row: Told each row as it ends.

    Returns:
        The rows by name, in the order of `names`. A row that broke off is one whose bound does not
        hold, and its bound says why.
    """
    # A forked process would inherit torch's threads and not their state.
    pool = ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=set_threads,
        initargs=(1,),
        max_tasks_per_child=1,
    )
    start = time.perf_counter()
    done: dict[str, AuditRow] = {}
    with pool:
        futures = {
            pool.submit(run_row, name, folder=folder / name, seed=seed): name
            for name in sorted(names, key=_turn)
        }
        for future in as_completed(futures):
            name = futures[future]
            done[name] = _row_of(name, future, start=start)
            on_row(name, done[name])
    return {name: done[name] for name in names}


def run_row(name: str, *, folder: Path, seed: int) -> AuditRow:
    """Runs one row in this process; its folder is made. One that breaks off has failed."""
    start = time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return load_row(name)(folder=folder, seed=seed)
    except Exception as error:
        # Whatever a row raises, the other rows' figures are worth having.
        logger.exception("row %s broke off", name)
        return _broken(name, error, seconds=time.perf_counter() - start)


def _turn(name: str) -> int:
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def _row_of(name: str, future: Future[AuditRow], *, start: float) -> AuditRow:
    # The process itself may have been killed, for memory for example.
    error = future.exception()
    if error is None:
        return future.result()
    return _broken(name, error, seconds=time.perf_counter() - start)


def _broken(name: str, error: BaseException, *, seconds: float) -> AuditRow:
    return AuditRow(
        attack=name,
        without=(),
        defended=(),
        bound=f"the row must run to its end; {type(error).__name__}: {error}",
        holds=False,
        seconds=seconds,
    )
