"""`fedgin ledger`: what left a site."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from fedgin.ledger.book import LedgerFile


def ledger(
    path: Annotated[
        Path, typer.Argument(help="the site's kit, the ledger's folder, or the file itself")
    ] = Path(),
    job: Annotated[str, typer.Option(help="only the job whose identifier begins so")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print the entries as JSON")] = False,
) -> None:
    """Show what left a site, by task and round, and check that no entry was changed."""
    from fedgin.errors import DataError
    from fedgin.ledger.book import LedgerFile, read_all
    from fedgin.ledger.find import find_ledger

    file = find_ledger(path)
    whole = read_all(file)
    chosen = tuple(entry for entry in whole.entries if entry.job.startswith(job))
    book = LedgerFile(entries=chosen, head=whole.head, problems=whole.problems)
    if as_json:
        entries = [entry.model_dump(exclude_none=True) for entry in book.entries]
        document = {"file": str(file), "head": book.head, "entries": entries}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        _show(file, book)
    if whole.problems:
        raise DataError(whole.problems)


def _show(file: Path, book: LedgerFile) -> None:
    from fedgin.ledger.view import HEADER, UNSEEN, rows, totals

    console = Console()
    answers = Table(*HEADER, title="Answers to tasks, in the order in which they left")
    for row in rows(book.entries):
        answers.add_row(*(Text(cell) for cell in row))
    console.print(answers)
    others = Table("channel", "topic", "messages", "bytes", title="All messages of the jobs")
    for channel, topics in totals(book.entries).items():
        for topic, count in topics.items():
            cells = (channel, topic, str(count.messages), str(count.bytes))
            others.add_row(*(Text(cell) for cell in cells))
    console.print(others)
    state = "BROKEN" if book.problems else "unbroken"
    words = f"{UNSEEN}\n{len(book.entries)} entries in {file}, {state}; last line {book.head}"
    console.print(words, markup=False, highlight=False, soft_wrap=True)
