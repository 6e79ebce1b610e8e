"""Counting a site's own cases, one volume in memory at a time."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from fedgin.data.cache import VolumeCache
from fedgin.data.checks import check_pair
from fedgin.data.labels import LabelMap
from fedgin.data.prepare import site_label_map
from fedgin.data.sources import Case, list_cases
from fedgin.data.split import split_cases
from fedgin.errors import DataError, FedginError, Problem
from fedgin.fingerprint.bins import bins_version
from fedgin.fingerprint.case_facts import CaseFacts, case_facts
from fedgin.settings import make_settings
from fedgin.sites.lookup import Site
from fedgin.tasks import Task

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """Counting was ended from outside."""


@dataclass(frozen=True)
class CountedSite:
    """A site's cases to be counted.

    Attributes:
        site: The site's file.
        task: The task.
        cases: The cases it trains on: patients who only test have no say in a plan.
        label_map: What its labels mean; structures may be missing.
    """

    site: Site
    task: Task
    cases: tuple[Case, ...]
    label_map: LabelMap

    def content_key(self) -> str:
        """Returns a hash that changes whenever a voxel, a label's meaning or the bins do."""
        hashes = VolumeCache(self.site.config.cache).hashes
        content = {
            "task": self.task.name,
            "modality": self.site.config.modality,
            "bins": bins_version(),
            "classes": sorted(self.label_map.class_of.items()),
            "cases": sorted([c.name, c.patient, c.content_key(hashes)] for c in self.cases),
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def find_cases(site: Site, task: Task) -> CountedSite:
    """Lists the cases that a site would train on, without reading a voxel.

    Raises:
        ConfigError: The site's file does not fit the task.
        DataError: A file or folder is missing.
    """
    label_map = site_label_map(site, make_settings(task=task.name), partial=True)
    cases = split_cases(site, list_cases(site, task))["train"]
    return CountedSite(site=site, task=task, cases=tuple(cases), label_map=label_map)


def count_cases(
    counted: CountedSite, *, should_stop: Callable[[], bool] = lambda: False
) -> list[CaseFacts]:
    """Reads and counts all cases.

    Args:
        counted: The site's cases.
        should_stop: Asked before each case.

    Raises:
        DataError: Volumes break rules; the problems of all volumes are listed together.
        Stopped: Whoever was asked said so.
    """
    facts: list[CaseFacts] = []
    problems: list[Problem] = []
    modality = counted.site.config.modality
    for case in counted.cases:
        if should_stop():
            raise Stopped
        try:
            pair = case.load()
            known = counted.label_map.names
            if found := check_pair(case.name, pair, modality=modality, known_values=known):
                problems += found
                continue
            facts.append(
                case_facts(
                    pair,
                    patient=case.patient,
                    modality=modality,
                    label_map=counted.label_map,
                    task=counted.task,
                )
            )
        except FedginError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    logger.info("site %s: %d cases counted", counted.site.name, len(facts))
    return facts
