"""The results that an earlier run left in a folder, by what its own report lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.confined import ConfinedFolder
from fedgin.documents import RECORD
from fedgin.errors import ConfigError, Problem


def earlier_results(report: Path, *, endings: tuple[str, ...]) -> tuple[Path, ...]:
    """Lists the results that lie beside a report and are named in it.

    Args:
        report: The report of an earlier run; there may be none.
        endings: What the names of results end in; nothing else is ever listed.

    Raises:
        ConfigError: It is no such report: what belongs to the earlier run cannot be told.
        DataError: A name leads out of the folder by a link.
    """
    if not report.exists():
        return ()
    confined = ConfinedFolder(report.parent)
    found = []
    for name in _names(read_mapping(report, bounds=RECORD)):
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(endings):
            rule = "the report of an earlier run must list files that lie beside it"
            mend = "name another folder, or remove the earlier results yourself"
            raise ConfigError(Problem(str(report), rule, "something else", mend))
        found.append(confined.found(report.parent / name, where=str(report)))
    return tuple(path for path in found if path.is_file())


def _names(content: dict[str, Any]) -> Iterator[Any]:
    cases = content.get("cases")
    for case in cases if isinstance(cases, list) else [None]:
        files = case.get("files") if isinstance(case, dict) else None
        yield from files if isinstance(files, list) else [None]
