"""Tables of figures on a terminal: printed whole."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 10_000
"""Characters, to ask how wide a table would like to be."""


def print_whole(console: Console, table: Table) -> None:
    """Prints a table as wide as it needs to be.

    On a narrow terminal, or in a pipe, whose width counts as 80, a line is rather broken than a
    figure cut to two digits or two organs' names to the same letters.
    """
    before = console.width
    console.width = max(before, Console(width=WIDEST).measure(table).maximum)
    console.print(table)
    console.width = before
