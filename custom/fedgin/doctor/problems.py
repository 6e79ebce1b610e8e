"""Problems of a site's data, told without naming a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgin.data.adapters.search import nifti_stem
from fedgin.data.sources import Case, DicomCase, FileCase, MaskCase
from fedgin.doctor.finding import Finding, failed
from fedgin.doctor.scrub import Scrubber
from fedgin.errors import Problem

_SPLIT_PLACES = ("split", "slab", "key '")


@dataclass(frozen=True)
class Teller:
    """Turns problems into findings.

    Attributes:
        scrubber: Knows the names.
        places: What stands for a path that problems begin with: the site's file, its datalist.
        cases: The site's cases, as far as they could be listed.
    """

    scrubber: Scrubber
    places: dict[str, str]
    cases: Sequence[Case] = ()

    def tell(self, problem: Problem, *, quotes_data: bool = True) -> Finding:
        """Says where a problem is, by hash, and what it is.

        Args:
            problem: The problem.
            quotes_data: Whether what was found may quote a name that nobody has listed.
        """
        case = self._case(problem.where)
        numerals = case is None
        rule = self.scrubber.known(problem.rule, numerals=numerals)
        scrub = self.scrubber.strict if quotes_data else self.scrubber.known
        found = scrub(problem.found, numerals=numerals)
        mend = self.scrubber.known(problem.mend, numerals=numerals)
        return failed(self._where(problem.where, case), f"{rule}; found {found}", mend)

    def _case(self, where: str) -> Case | None:
        for case in sorted(self.cases, key=lambda case: len(case.name), reverse=True):
            if where == case.name or where.startswith(f"{case.name}: "):
                return case
        return None

    def _where(self, where: str, case: Case | None) -> str:
        if case is not None:
            return self._name(case) + _which_file(where.removeprefix(case.name), case)
        for path, name in self.places.items():
            if where == path or where.startswith(f"{path}:"):
                return name + self.scrubber.known(where.removeprefix(path))
        if where.startswith("patient "):
            return f"patient {self.scrubber.hash(where.removeprefix('patient '))}"
        if where.startswith(_SPLIT_PLACES):
            return self.scrubber.known(where)
        return self.scrubber.hash(where)

    def _name(self, case: Case) -> str:
        name = f"case {self.scrubber.hash(case.name)}"
        if case.patient == case.name:
            return name
        return f"{name} of patient {self.scrubber.hash(case.patient)}"


def _which_file(rest: str, case: Case) -> str:
    if isinstance(case, (FileCase, DicomCase)):
        for path, kind in ((case.image, "image"), (case.label, "label map")):
            if rest == f": {path}":
                return f", {kind}"
    if isinstance(case, MaskCase):
        if rest == f": {case.image}":
            return ", image"
        file = rest.removeprefix(f": {case.masks}/")
        stem = (nifti_stem(file) or "").casefold()
        # Only the names that the site's file or the data set gives to structures are shown.
        for structure in case.values:
            if stem == structure.casefold():
                return f", mask of {structure}"
    return ""


def places_of(site_file: Path, datalist: Path | None) -> dict[str, str]:
    """Names the files that problems may begin with; neither belongs to a patient."""
    places = {str(site_file): site_file.name}
    if datalist is not None:
        places[str(datalist)] = "datalist"
    return places
