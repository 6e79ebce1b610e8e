"""A set of cases in a few lines: grids, and how often and how large each structure is."""

from __future__ import annotations

from collections import Counter
from statistics import median

from fedgin.check.report import CheckReport
from fedgin.check.structures import ml_text


def grid_words(report: CheckReport) -> str:
    """Says orientations and spacing of the cases that could be read."""
    read = [case for case in report.cases if case.readable]
    if not read:
        return "no case could be read"
    turns = Counter(case.orientation for case in read)
    orientations = ", ".join(f"{name} {count}" for name, count in turns.most_common())
    spacings = [case.spacing_mm for case in read if case.spacing_mm is not None]
    middle = " x ".join(f"{median(values):.3g}" for values in zip(*spacings, strict=True))
    axes = "left-right, back-front, feet-head"
    return f"orientation {orientations}; median spacing {middle} mm ({axes})"


def structure_rows(report: CheckReport) -> list[tuple[str, ...]]:
    """Lists each structure: name, cases that have it, least, median and largest volume in ml."""
    read = [case for case in report.cases if case.readable]
    rows = []
    for name in report.structures:
        volumes = [case.structures_ml[name] for case in read if name in case.structures_ml]
        sizes = (min(volumes), median(volumes), max(volumes)) if volumes else ()
        cells = [ml_text(size) for size in sizes] or ["\N{EN DASH}"] * 3
        rows.append((name, f"{len(volumes)} of {len(read)}", *cells))
    return rows
