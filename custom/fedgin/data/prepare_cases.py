"""Preparing all cases of a site that are not in its cache yet, several at a time where it pays."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from fedgin.data.cache import CacheEntry, VolumeCache
from fedgin.data.pair_facts import PairFacts
from fedgin.data.prepare_case import Outcome, Preparation, prepare_case
from fedgin.data.sources import Case
from fedgin.errors import FedginError, Problem
from fedgin.processes import Lost, map_in_processes, usable_cores

WORTH_SECONDS = 8.0
"""Work left from which on other processes are worth their start, some two seconds each."""


def prepare_cases(
    cases: Sequence[Case],
    preparation: Preparation,
    *,
    cache: VolumeCache,
    workers: int,
    on_facts: Callable[[str, PairFacts], None],
) -> tuple[dict[str, CacheEntry], int, list[Problem]]:
    """Finds or makes the cache's entries of a site's cases.

    Args:
        cases: The cases.
        preparation: How they are prepared.
        cache: The site's cache.
        workers: Most processes that prepare at the same time, this one included.
        on_facts: Told the facts of each case that could be read, also where others cannot.

    Returns:
        Entries by case name in the order of the cases, how many were made now, and what is wrong
        with the others.
    """
    keys: dict[str, str] = {}
    problems: dict[str, tuple[Problem, ...]] = {}
    facts: dict[str, PairFacts] = {}
    for case in cases:
        try:
            content = case.content_key(cache.hashes)
            keys[case.name] = cache.key(content=content, settings=preparation.key_facts())
        except FedginError as error:
            problems[case.name] = tuple(error.problems)
    entries = {name: entry for name, key in keys.items() if (entry := cache.find(key))}
    missing = [case for case in cases if case.name in keys and case.name not in entries]
    work = [(case, keys[case.name]) for case in missing]
    for (case, key), outcome in zip(work, _prepare(work, preparation, workers), strict=True):
        if outcome.facts is not None:
            facts[case.name] = outcome.facts
        if outcome.problems:
            problems[case.name] = outcome.problems
        elif entry := cache.find(key):
            entries[case.name] = entry
        else:
            problems[case.name] = (_gone(case, cache),)
    for case in cases:
        if case.name in facts:
            on_facts(case.name, facts[case.name])
        elif case.name in entries:
            on_facts(case.name, PairFacts.model_validate(entries[case.name].meta["facts"]))
    made = sum(case.name in entries for case in missing)
    ordered = {case.name: entries[case.name] for case in cases if case.name in entries}
    return ordered, made, [one for case in cases for one in problems.get(case.name, ())]


def _prepare(
    work: Sequence[tuple[Case, str]], preparation: Preparation, workers: int
) -> Iterator[Outcome]:
    """Prepares cases in their order; in this process until it is seen that others would help."""
    function = functools.partial(prepare_case, preparation=preparation)
    workers = min(workers, usable_cores())
    start = time.perf_counter()
    for number, one in enumerate(work):
        yield function(one)
        done, left = number + 1, len(work) - number - 1
        seconds = (time.perf_counter() - start) / done * left
        if workers > 1 and left > 1 and seconds > WORTH_SECONDS:
            yield from _prepare_at_once(work[done:], function, workers)
            return


def _prepare_at_once(
    work: Sequence[tuple[Case, str]],
    function: Callable[[tuple[Case, str]], Outcome],
    workers: int,
) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    with closing(map_in_processes(function, work, workers=workers)) as results:  # type: ignore[type-var]
        for number, result in results:
            case, _ = work[number]
            outcomes[number] = _lost(case, result) if isinstance(result, Lost) else result
    return [outcomes[number] for number in range(len(work))]


def _lost(case: Case, lost: Lost) -> Outcome:
    problem = Problem(
        case.name,
        "a process must live through preparing a case",
        f"exit code {lost.exit_code}; below 0 it was killed, often for want of memory",
        "set 'threads: 1' in the site's file, which prepares one case at a time, or add memory",
    )
    return Outcome(problems=(problem,))


def _gone(case: Case, cache: VolumeCache) -> Problem:
    return Problem(
        case.name,
        "what was prepared must stay in the cache until it is used",
        f"it is no longer in '{cache.folder}'",
        "keep other programs from emptying the folder",
    )
