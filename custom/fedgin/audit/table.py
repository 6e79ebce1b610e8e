"""The audit's rows as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fedgin.audit.row import AuditRow, Figure


def figure_text(figure: Figure) -> str:
    """Writes a figure as name, number, unit and interval."""
    text = f"{figure.name}: {_number(figure.value)}"
    if figure.unit:
        text += f" {figure.unit}"
    if figure.interval is not None:
        low, high = figure.interval
        text += f" [{_number(low)}, {_number(high)}]"
    return text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "none"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def as_json(rows: Mapping[str, AuditRow], *, seed: int, seconds: float) -> dict[str, Any]:
    """Turns rows into what `fedgin audit --json` writes.

    Returns:
        `seed`, `seconds` (wall time of the whole), `holds`, and by name the rows' fields; numbers
        that are not finite are null.
    """
    return {
        "seed": seed,
        "seconds": seconds,
        "holds": all(row.holds for row in rows.values()),
        "rows": {name: _row(row) for name, row in rows.items()},
    }


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "attack": row.attack,
        "without": [_figure(figure) for figure in row.without],
        "defended": [_figure(figure) for figure in row.defended],
        "bound": row.bound,
        "holds": bool(row.holds),
        "seconds": row.seconds,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    interval = None if figure.interval is None else [_finite(end) for end in figure.interval]
    return {
        "name": figure.name,
        "value": _finite(figure.value),
        "unit": figure.unit,
        "interval": interval,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
