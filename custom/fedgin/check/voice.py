"""How cases and patients are called in what is shown: by their names, or by hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedgin.data.sources import Case
from fedgin.doctor.names import names_in_file, names_of_cases
from fedgin.doctor.problems import Teller, places_of
from fedgin.doctor.scrub import Scrubber, allowed_words
from fedgin.errors import Problem
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.sites.pseudonyms import site_secret
from fedgin.sites.schema import DatalistData


class Voice(Protocol):
    """Says names and refusals."""

    @property
    def hashed(self) -> bool:
        """Whether hashes stand for names."""

    def name(self, name: str) -> str:
        """Says the name of a case or a patient."""

    def problem(self, problem: Problem, case: str | None) -> tuple[str, str]:
        """Says what a refusal found and how to mend it; the case is named beside it."""


@dataclass(frozen=True)
class PlainVoice:
    """Says everything as it is."""

    hashed: bool = False

    def name(self, name: str) -> str:
        """Says the name."""
        return name

    def problem(self, problem: Problem, case: str | None) -> tuple[str, str]:
        """Says the refusal; a case's own name is left out, its files are not."""
        where = problem.where
        if case is not None:
            where = "" if where == case else where.removeprefix(f"{case}: ")
        place = f"{where}: " if where else ""
        return f"{place}{problem.rule}; found {problem.found}", problem.mend


@dataclass(frozen=True)
class HashedVoice:
    """Says no name, path or text of a file.

    Attributes:
        scrubber: Knows what may name a patient.
        teller: Says refusals with it.
    """

    scrubber: Scrubber
    teller: Teller
    hashed: bool = True

    def name(self, name: str) -> str:
        """Says the hash by which the site's own score files call a patient too."""
        return self.scrubber.hash(name)

    def problem(self, problem: Problem, case: str | None) -> tuple[str, str]:
        """Says the refusal, with what it quotes hashed."""
        told = self.teller.tell(problem)
        if case is None:
            return f"{told.name}: {told.found}", told.mend
        _, _, file = told.name.partition(", ")  # image or label map, where it is known
        return f"{file}: {told.found}" if file else told.found, told.mend


def hashed_voice(site: Site, settings: ResolvedSettings, cases: tuple[Case, ...]) -> HashedVoice:
    """Makes a voice that names no patient of a site.

    Raises:
        ConfigError: The site's secret cannot be read or made.
    """
    dataset = site.config.dataset
    datalist = None
    if isinstance(dataset, DatalistData):
        datalist = Path(dataset.root).expanduser() / dataset.file
    scrubber = Scrubber(
        site.name,
        names_in_file(site.path) | names_of_cases(site, cases),
        allowed=allowed_words(site, settings.task),
        secret=site_secret(site),
    )
    teller = Teller(scrubber=scrubber, places=places_of(site.path, datalist), cases=cases)
    return HashedVoice(scrubber=scrubber, teller=teller)
