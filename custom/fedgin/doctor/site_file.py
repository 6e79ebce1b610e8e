"""The site's own file: is it sound, and is it the one that FLARE would read?"""

from __future__ import annotations

import filecmp
import re
from dataclasses import replace

from fedgin.doctor.finding import Finding, failed, ok, warning
from fedgin.doctor.names import names_in_file
from fedgin.doctor.problems import Teller, places_of
from fedgin.doctor.scrub import make_scrubber
from fedgin.doctor.subject import Notes, Subject
from fedgin.errors import Problem

_ABOUT_DATA = re.compile(r"key '(dataset|split)\b")
"""Keys below which patients may be named; elsewhere a misspelt word is shown as it is."""
_POSITION = re.compile(r"line \d+, column \d+")


def check_site_file(subject: Subject, notes: Notes) -> list[Finding]:
    """Tells the rules that the file breaks, without the values that it lists."""
    notes.names |= names_in_file(subject.file)
    findings = _content(subject, notes)
    if subject.kit is not None:
        findings.append(_in_kit(subject))
    return findings


def _content(subject: Subject, notes: Notes) -> list[Finding]:
    if subject.site is not None:
        return [ok("content", f"{subject.file.name} is sound")]
    teller = Teller(make_scrubber(subject, notes), places_of(subject.file, None))
    return [
        teller.tell(_without_excerpt(problem), quotes_data=bool(_ABOUT_DATA.search(problem.where)))
        for problem in subject.file_problems
    ]


def _without_excerpt(problem: Problem) -> Problem:
    """Leaves the position of a syntax error: its message shows the line, whatever stands there."""
    if "valid YAML" not in problem.rule:
        return problem
    positions = _POSITION.findall(problem.found)
    return replace(problem, found=f"an error at {positions[-1]}" if positions else "an error")


def _in_kit(subject: Subject) -> Finding:
    """FLARE reads the file in the kit's local folder before any other."""
    kit = subject.kit
    assert kit is not None
    inside = kit.local / f"{subject.name}.yaml"
    name = "file in the kit"
    if not inside.is_file():
        return warning(
            name,
            f"no {inside.name} in the kit's local folder",
            "copy the file there, or set FEDGIN_SITE_CONFIGS where the kit is started",
        )
    if not filecmp.cmp(inside, subject.file, shallow=False):
        return failed(
            name,
            f"the kit's local/{inside.name} is another than the file that was checked",
            "name that file, or replace it by this one",
        )
    return ok(name, f"the kit's local/{inside.name} is this file")
