"""Subjects for the tests of single checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgin.doctor.finding import Finding
from fedgin.doctor.subject import Subject
from fedgin.settings import make_settings

TINY: dict[str, Any] = {
    "task": "heart",
    "channels": [4, 8],
    "patch_size": [32, 32],
    "spacing": [5.0, 5.0, None],
    "batch_size": 2,
    "steps_per_round": 4,
}


def make_subject(**values: Any) -> Subject:
    """A subject with a file that no check of the kit looks at."""
    default = {
        "name": "hospital-a",
        "file": Path("hospital-a.yaml"),
        "site": None,
        "settings": make_settings(**TINY),
    }
    return Subject(**{**default, **values})


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """Findings by their names, which must differ."""
    named = {finding.name: finding for finding in findings}
    assert len(named) == len(findings)
    return named
