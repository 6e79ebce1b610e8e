"""Preparing several cases at a time: the same cache, the same refusals, and a death is told."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import fedgin.data.prepare_cases as module
from fedgin.data.cache import VolumeCache
from fedgin.data.labels import build_label_map
from fedgin.data.prepare_case import Preparation
from fedgin.data.prepare_cases import prepare_cases
from fedgin.data.sources import PhantomScan
from fedgin.data.volume import LabelledVolume
from fedgin.errors import DataError, Problem
from fedgin.settings import make_settings
from fedgin.sites.folders import CacheSettings

SETTINGS = make_settings(task="heart", spacing=[8.0, 8.0, None])
SCAN = PhantomScan(
    name="0", task="heart", modality="CT", protocol="arterial", seed=1, index=0, drawn=None
)


@dataclass(frozen=True)
class Refused(PhantomScan):
    """A case that cannot be read."""

    def load(self) -> LabelledVolume:
        raise DataError(Problem(self.name, "it must be readable", "it is not", "replace it"))


@dataclass(frozen=True)
class Deadly(PhantomScan):
    """A case over which a worker process dies, as one does that the system kills."""

    def load(self) -> LabelledVolume:
        os._exit(9)


def prepare(
    folder: Path, cases: list[PhantomScan], *, workers: int
) -> tuple[dict[str, Any], int, list[Problem], list[str]]:
    settings = CacheSettings(folder=str(folder))
    labels = build_label_map(
        labels={"heart": 1}, other=tuple(range(2, 60)), task=SETTINGS.task, where=""
    )
    preparation = Preparation(modality="CT", settings=SETTINGS, label_map=labels, cache=settings)
    told: list[str] = []
    entries, made, problems = prepare_cases(
        cases,
        preparation,
        cache=VolumeCache(settings),
        workers=workers,
        on_facts=lambda name, facts: told.append(name),
    )
    return entries, made, problems, told


def content(entries: dict[str, Any]) -> dict[str, tuple[bytes, ...]]:
    return {
        name: tuple(entry.array(each).tobytes() for each in ("image", "label", "foreground"))
        for name, entry in entries.items()
    }


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little there is to do, other processes take part; there are cores enough."""
    monkeypatch.setattr(module, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(module, "usable_cores", lambda: 8)


@pytest.mark.usefixtures("at_once")
def test_other_processes_leave_what_this_one_would_have_left(tmp_path: Path) -> None:
    cases = [replace(SCAN, name=str(number), index=number) for number in range(4)]
    cases[2] = Refused(**vars(cases[2]))
    serial = prepare(tmp_path / "serial", cases, workers=1)
    parallel = prepare(tmp_path / "parallel", cases, workers=2)
    assert content(parallel[0]) == content(serial[0])
    assert list(parallel[0]) == ["0", "1", "3"]
    assert parallel[1:] == serial[1:]
    assert (parallel[1], parallel[3]) == (3, ["0", "1", "3"])
    assert [problem.where for problem in parallel[2]] == ["2"]
    again = prepare(tmp_path / "parallel", cases, workers=2)
    assert (again[1], again[3]) == (0, ["0", "1", "3"])


@pytest.mark.usefixtures("at_once")
def test_a_process_that_dies_costs_its_case_alone(tmp_path: Path) -> None:
    cases = [replace(SCAN, name=str(number), index=number) for number in range(3)]
    cases[1] = Deadly(**vars(cases[1]))
    entries, made, problems, _ = prepare(tmp_path, cases, workers=2)
    assert (list(entries), made) == (["0", "2"], 2)
    (problem,) = problems
    assert (problem.where, problem.found[:11]) == ("1", "exit code 9")
    assert "threads: 1" in problem.mend


def test_little_work_stays_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("processes were started")

    monkeypatch.setattr(module, "_prepare_at_once", refuse)
    cases = [replace(SCAN, name=str(number), index=number) for number in range(3)]
    assert prepare(tmp_path, cases, workers=2)[1] == 3
