"""What was left out of a data set, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from fedgin.data.adapters.base import LeftOut

MOST_NAMED = 200
"""Names that are listed for one reason; a data set may leave out thousands of files."""


def left_out_lines(left_out: Sequence[LeftOut], *, most: int = MOST_NAMED) -> Iterator[str]:
    """Says what was left out: for each reason the number, then the names."""
    ordered = sorted(left_out, key=lambda left: (left.reason, left.path))
    for reason, group in groupby(ordered, key=lambda left: left.reason):
        paths = [left.path for left in group]
        more = f" and {len(paths) - most} more" if len(paths) > most else ""
        yield f"{len(paths)} x {reason}: {', '.join(paths[:most])}{more}"
