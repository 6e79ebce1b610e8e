"""The report as one HTML file that opens without a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgin.check.colours import structure_colours
from fedgin.check.overview import grid_words, structure_rows
from fedgin.check.report import CaseEntry, CheckReport
from fedgin.check.rules import RULES
from fedgin.check.table import STRUCTURE_HEADER
from fedgin.check.thumbnail import PANEL
from fedgin.files import write_atomically
from fedgin.report.study.cells import Table
from fedgin.report.study.page import render


@dataclass(frozen=True)
class Card:
    """A case as the page shows it.

    Attributes:
        entry: The case.
        grid: Its grid in words.
        broken: The rules that it breaks, each with its level.
        picture: Its thumbnail as a data URI; empty where there is none.
    """

    entry: CaseEntry
    grid: str
    broken: tuple[tuple[str, str], ...]
    picture: str


def write_page(report: CheckReport, thumbnails: Mapping[str, bytes], path: Path) -> None:
    """Writes the page, for its owner alone: it shows patients.

    Args:
        report: What was found.
        thumbnails: JPEGs by the name of the case, as the report says it.
        path: The file to write.

    Raises:
        OSError: The file cannot be written.
    """
    write_atomically(path, render_page(report, thumbnails).encode("utf-8"))


def render_page(report: CheckReport, thumbnails: Mapping[str, bytes]) -> str:
    """Renders the page; the arguments are those of `write_page`."""
    cards = [
        Card(
            entry=case,
            grid=_grid(case),
            broken=_broken(report, case),
            picture=_data_uri(thumbnails.get(case.case, b"")),
        )
        for case in report.cases
    ]
    broken = {finding.rule for finding in report.findings}
    return render(
        "check.html.j2",
        title=f"Data check of {report.site}",
        report=report,
        grids=grid_words(report),
        structures=Table(
            caption="Structures over all readable cases",
            header=STRUCTURE_HEADER,
            rows=tuple(structure_rows(report)),
        ),
        # What needs a look comes first.
        cards=sorted(cards, key=lambda card: (-card.entry.errors, -card.entry.warnings)),
        colours=_legend(report) if thumbnails else {},
        rules={name: (text, name in broken) for name, text in RULES.items()},
        panel=PANEL,
    )


def _legend(report: CheckReport) -> dict[str, str]:
    colours = structure_colours(report.structures)
    return {name: f"rgb({r}, {g}, {b})" for name, (r, g, b) in colours.items()}


def _broken(report: CheckReport, case: CaseEntry) -> tuple[tuple[str, str], ...]:
    found = ((one.level, one.rule) for one in report.findings if case.case in one.cases)
    return tuple(dict.fromkeys(found))


def _grid(case: CaseEntry) -> str:
    if case.shape is None or case.spacing_mm is None:
        return "not readable"
    shape: Any = " x ".join(str(size) for size in case.shape)
    spacing = " x ".join(f"{size:.3g}" for size in case.spacing_mm)
    return f"{shape} voxels stored as {case.orientation}; spacing {spacing} mm"


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}" if jpeg else ""
