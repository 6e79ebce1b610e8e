"""Checking a site: its cases read in parallel, then judged one by one and together."""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby

from fedgin.check.case_rules import check_case
from fedgin.check.colours import value_colours
from fedgin.check.finding import Finding
from fedgin.check.look import Look, Terms, look_at
from fedgin.check.set_rules import check_set
from fedgin.check.structures import structure_names, structures_of
from fedgin.check.subject import CheckedCase
from fedgin.data.adapters.base import LeftOut
from fedgin.data.beside import files_beside
from fedgin.data.check_splits import check_split
from fedgin.data.labels import check_some_class
from fedgin.data.pair_facts import PairFacts
from fedgin.data.prepare import site_label_map
from fedgin.data.sources import Case, list_cases
from fedgin.data.split import SPLITS, split_cases
from fedgin.errors import FedginError, Problem
from fedgin.processes import Lost, map_in_processes
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.sites.splits import SlabSplit

EVERY_SPLIT = "all"
"""Of a site that cuts each volume into slabs, every case is in all splits."""


@dataclass(frozen=True)
class CheckedSite:
    """A site that was looked at.

    Attributes:
        site: The site's file.
        task: Name of the task.
        listed: All cases, as far as they could be listed.
        splits: The split of each case by name; empty where the splits are unsound.
        cases: The cases that could be read, by name.
        thumbnails: A JPEG by case name, where pictures were drawn.
        structures: Names of the structures that the site annotates.
        findings: What was found, errors first.
        seconds: Wall time.
        workers: Processes that read at the same time.
    """

    site: Site
    task: str
    listed: tuple[Case, ...]
    splits: Mapping[str, str]
    cases: Mapping[str, CheckedCase]
    thumbnails: Mapping[str, bytes]
    structures: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float
    workers: int


def check_site(
    site: Site,
    settings: ResolvedSettings,
    *,
    workers: int,
    draws: bool = False,
    on_start: Callable[[int], None] = lambda count: None,
    on_case: Callable[[], None] = lambda: None,
) -> CheckedSite:
    """Looks at every case of a site once.

    Memory is that of one volume for each worker process, and some kilobytes for each case.

    Args:
        site: The site's file.
        settings: Settings of the run that is meant; their task names the structures of phantoms.
        workers: Processes that read at the same time.
        draws: Whether thumbnails are drawn.
        on_start: Told the number of cases.
        on_case: Called as each case has been looked at.

    Returns:
        The findings about the cases and about the set. Cases that cannot be listed or read are
        findings too.
    """
    start = time.perf_counter()
    names, cases, findings = _list(site, settings)
    splits, problems = deal(site, cases)
    findings += [Finding("error", "splits", problem=problem) for problem in problems]
    if cases:
        findings += _fit(site, settings)
    findings += _beside(site)
    on_start(len(cases))
    terms = Terms(
        modality=site.config.modality, names=names, colours=value_colours(names), draws=draws
    )
    looks = _look(cases, terms, workers=workers, on_case=on_case)
    told, read, thumbnails = [], [], {}
    for case, look in zip(cases, looks, strict=True):
        told += _told(case, look)
        if isinstance(look, Look) and look.facts is not None:
            read.append(_checked(case, look.facts, names, splits))
            thumbnails[case.name] = look.thumbnail
    findings += [*told, *judge(read, names=names.values())]
    return CheckedSite(
        site=site,
        task=settings.task.name,
        listed=tuple(cases),
        splits=splits,
        cases={case.name: case for case in read},
        thumbnails={name: jpeg for name, jpeg in thumbnails.items() if jpeg},
        structures=structure_names(names),
        findings=tuple(sorted(findings, key=lambda finding: finding.level)),
        seconds=time.perf_counter() - start,
        workers=min(workers, max(1, len(cases))),
    )


def _list(
    site: Site, settings: ResolvedSettings
) -> tuple[Mapping[int, str], list[Case], list[Finding]]:
    """Returns the names of the label values and the cases, or what is wrong with both."""
    try:
        names = site_label_map(site, settings, partial=True).names
        return names, list_cases(site, settings.task), []
    except FedginError as error:
        found = [Finding("error", "listing", problem=problem) for problem in error.problems]
        return {}, [], found


def _fit(site: Site, settings: ResolvedSettings) -> list[Finding]:
    """Tells what preparing would refuse because the site's structures are not the task's."""
    trains = not site.config.only_tests
    try:
        label_map = site_label_map(site, settings, partial=not trains)
        if trains:
            check_some_class(label_map, settings.task, where=str(site.path))
    except FedginError as error:
        return [Finding("error", "task", problem=problem) for problem in error.problems]
    if not trains or not label_map.not_annotated:
        return []
    allowed = f"partial_labels={settings.training.partial_labels} lets the site train without"
    lacking = ", ".join(label_map.not_annotated)
    mend = "add the structure with its value where the label maps have it; else leave it so"
    return [Finding("warning", "task", (), f"no label of {lacking}; {allowed}", mend)]


def _beside(site: Site) -> Iterator[Finding]:
    """Tells of the files that no pattern of the site's file takes in, by what they are."""
    for reason, group in groupby(sorted(files_beside(site), key=_reason_of), key=_reason_of):
        paths = tuple(left.path for left in group)
        mend = "rename the files, correct the patterns, or move away what is no case"
        yield Finding("warning", "beside", paths, f"{len(paths)} x {reason}", mend)


def _reason_of(left: LeftOut) -> str:
    return left.reason


def judge(cases: Sequence[CheckedCase], *, names: Iterable[str]) -> list[Finding]:
    """Applies the rules about single cases and about the set to the cases that could be read."""
    return [
        *(finding for case in cases for finding in check_case(case)),
        *check_set(cases, names=names),
    ]


def checked_cases(
    site: Site, cases: Sequence[Case], facts: Mapping[str, PairFacts], names: Mapping[int, str]
) -> list[CheckedCase]:
    """Puts together what is known of cases that somebody else has read.

    Args:
        site: The site's file.
        cases: The site's cases.
        facts: Facts by case name, of those that could be read.
        names: Structure name by label value.
    """
    splits, _ = deal(site, cases)
    return [_checked(case, facts[case.name], names, splits) for case in cases if case.name in facts]


def deal(site: Site, cases: Sequence[Case]) -> tuple[dict[str, str], list[Problem]]:
    """Returns each case's split by name, and what is wrong with the splits as a whole.

    A patient in two splits shows in the cases themselves, and is left to `check_set`.
    """
    if not cases:
        return {}, []
    if isinstance(site.config.split, SlabSplit):
        return {case.name: EVERY_SPLIT for case in cases}, []
    try:
        dealt = split_cases(site, cases)
    except FedginError as error:
        return {}, list(error.problems)
    of_case: dict[str, str] = {}
    problems: list[Problem] = []
    for name in SPLITS:
        of_case.update({case.name: name for case in dealt[name]})
    # Each case under its own name as patient: shared patients are told with their cases.
    listed = {name: [(case.name, case.name) for case in dealt[name]] for name in SPLITS}
    problems += check_split(listed, training=None if site.config.only_tests else "train")
    return of_case, problems


def _look(
    cases: Sequence[Case], terms: Terms, *, workers: int, on_case: Callable[[], None]
) -> list[Look | Lost]:
    looks: dict[int, Look | Lost] = {}
    function = functools.partial(look_at, terms=terms)
    with closing(map_in_processes(function, cases, workers=workers)) as results:  # type: ignore[type-var]
        for number, look in results:
            looks[number] = look
            on_case()
    return [looks[number] for number in range(len(cases))]


def _told(case: Case, look: Look | Lost) -> list[Finding]:
    where = (case.name,)
    if isinstance(look, Lost):
        return [
            Finding(
                "error",
                "lost",
                where,
                f"the process that read it ended early: {_reason(look)}",
                "read it with --workers 1, or on a machine with more memory",
            )
        ]
    return [Finding("error", fault.rule, where, problem=fault.problem) for fault in look.faults]


def _reason(lost: Lost) -> str:
    if lost.exit_code is None or lost.exit_code >= 0:
        return f"exit code {lost.exit_code}"
    name = signal.Signals(-lost.exit_code).name
    hint = ", as where memory runs out" if name == "SIGKILL" else ""
    return f"signal {name}{hint}"


def _checked(
    case: Case, facts: PairFacts, names: Mapping[int, str], splits: Mapping[str, str]
) -> CheckedCase:
    return CheckedCase(
        name=case.name,
        patient=case.patient,
        split=splits.get(case.name, ""),
        facts=facts,
        structures=structures_of(facts, names),
    )
