"""What a whole audit gave, for the tests that read its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LIMIT_SECONDS = 15 * 60


@dataclass(frozen=True)
class Audit:
    """What `fedgin audit` gave.

    Attributes:
        code: Exit code.
        printed: The table.
        report: The JSON file.
    """

    code: int
    printed: str
    report: dict[str, Any]

    def figures(self, row: str) -> dict[str, float]:
        """Returns a row's figures, of both columns, by name."""
        both = self.report["rows"][row]["without"] + self.report["rows"][row]["defended"]
        return {figure["name"]: figure["value"] for figure in both}

    def interval(self, row: str, name: str) -> tuple[float, float]:
        """Returns the interval of a figure."""
        both = self.report["rows"][row]["without"] + self.report["rows"][row]["defended"]
        (low, high) = next(f["interval"] for f in both if f["name"] == name)
        return low, high
