"""The document in which a check says what it found."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

import fedgin
from fedgin.check.finding import Finding, Level
from fedgin.check.site_check import CheckedSite
from fedgin.check.voice import Voice
from fedgin.config import StrictModel
from fedgin.data.beside import excluded_names


class CaseEntry(StrictModel):
    """A case.

    Attributes:
        case: Its name, or the hash that stands for it.
        patient: The patient, or the hash.
        split: `train`, `validation`, `test` or `all`; empty where the splits are unsound.
        readable: Whether it could be read; if not, nothing follows.
        shape: Voxels along the array axes.
        spacing_mm: Voxel edges along the patient's axes: left-right, back-front, feet-head.
        orientation: Directions towards which the array axes point.
        intensities: Lowest and highest: HU for CT, arbitrary units for MR.
        structures_ml: Volume in ml of each structure that occurs.
        errors: Number of errors that concern it.
        warnings: Number of warnings that concern it.
    """

    case: str
    patient: str
    split: str
    readable: bool
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    orientation: str | None = None
    intensities: tuple[float, float] | None = None
    structures_ml: dict[str, float] = Field(default_factory=dict)
    errors: int = 0
    warnings: int = 0


class FindingEntry(StrictModel):
    """A broken rule.

    Attributes:
        level: `error` or `warning`.
        rule: Name of the rule, see `fedgin.check.rules.RULES`.
        cases: The cases concerned, the one to look at first; none where it is the set.
        found: What was found.
        mend: What to do about it.
    """

    level: Level
    rule: str
    cases: tuple[str, ...]
    found: str
    mend: str


class CheckReport(StrictModel):
    """What `fedgin check --json` prints.

    Attributes:
        format: Version of this form.
        fedgin: Version of the package.
        site: Name of the site.
        modality: What its scanners are.
        task: Name of the task.
        hashed: Whether hashes stand for cases and patients.
        passed: Whether there is no error; then the exit code is 0.
        counts: Number of findings by level.
        structures: Structures that the site names.
        excluded: Cases that the site's file excludes, which were not read.
        cases: All cases, sorted.
        findings: What was found, errors first.
    """

    format: Literal[1] = 1
    fedgin: str
    site: str
    modality: Literal["CT", "MR"]
    task: str
    hashed: bool
    passed: bool
    counts: dict[Level, int]
    structures: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    cases: tuple[CaseEntry, ...]
    findings: tuple[FindingEntry, ...]


def make_report(checked: CheckedSite, voice: Voice) -> CheckReport:
    """Puts what was found together, in the words of a voice."""
    counts = Counter(finding.level for finding in checked.findings)
    # Sorted by what is shown: the order of names would say something of them.
    cases = sorted(_cases(checked, voice), key=lambda entry: entry.case)
    return CheckReport(
        fedgin=fedgin.__version__,
        site=checked.site.name,
        modality=checked.site.config.modality,
        task=checked.task,
        hashed=voice.hashed,
        passed=not counts["error"],
        counts={"error": counts["error"], "warning": counts["warning"]},
        structures=checked.structures,
        excluded=tuple(sorted(voice.name(name) for name in excluded_names(checked.site))),
        cases=tuple(cases),
        findings=tuple(_said(finding, voice) for finding in checked.findings),
    )


def _said(finding: Finding, voice: Voice) -> FindingEntry:
    found, mend = finding.text, finding.mend
    if finding.problem is not None:
        case = finding.cases[0] if finding.cases else None
        found, mend = voice.problem(finding.problem, case)
    return FindingEntry(
        level=finding.level,
        rule=finding.rule,
        cases=tuple(voice.name(name) for name in finding.cases),
        found=found,
        mend=mend,
    )


def _cases(checked: CheckedSite, voice: Voice) -> list[CaseEntry]:
    concerned: Counter[tuple[str, Level]] = Counter(
        (name, finding.level) for finding in checked.findings for name in set(finding.cases)
    )
    entries = []
    for case in checked.listed:
        entry = CaseEntry(
            case=voice.name(case.name),
            patient=voice.name(case.patient),
            split=checked.splits.get(case.name, ""),
            readable=case.name in checked.cases,
            errors=concerned[case.name, "error"],
            warnings=concerned[case.name, "warning"],
        )
        if (read := checked.cases.get(case.name)) is not None:
            facts = read.facts
            more = {
                "shape": facts.shape,
                "spacing_mm": facts.spacing,
                "orientation": facts.orientation,
                "intensities": facts.intensity_range,
                "structures_ml": {name: one.ml for name, one in read.structures.items()},
            }
            entry = entry.model_copy(update=more)
        entries.append(entry)
    return entries
