"""Where a site keeps its state between rounds: by run, in a folder that outlives the run's own."""

from __future__ import annotations

import logging
import re
import shutil
import time
from pathlib import Path

from fedgin.errors import ConfigError, Problem
from fedgin.files import write_atomically

logger = logging.getLogger(__name__)

LINEAGE_FILE = "lineage"
_LINEAGE = re.compile(r"[0-9a-f]{32}")
_SECONDS_PER_DAY = 86_400


def join_lineage(run_folder: Path, lineage: str) -> None:
    """Notes in the run's folder which run it belongs to, for the processes that follow.

    Raises:
        ConfigError: The name is not 32 hexadecimal digits, so that it could lead anywhere.
    """
    if not _LINEAGE.fullmatch(lineage):
        raise ConfigError(
            Problem(
                "the run's lineage",
                "it must be 32 hexadecimal digits",
                repr(lineage[:80]),
                "use a server with the same version of fedgin",
            )
        )
    if joined_lineage(run_folder) != lineage:
        write_atomically(run_folder / LINEAGE_FILE, lineage.encode())


def joined_lineage(run_folder: Path) -> str | None:
    """Returns the run that a run folder belongs to, or None before its first train task."""
    file = run_folder / LINEAGE_FILE
    return file.read_text(encoding="ascii") if file.is_file() else None


def prune_lineages(folder: Path, *, days: float, keep: str) -> list[str]:
    """Removes the states of runs that nobody has touched for some days.

    Args:
        folder: Folder with one folder per run.
        days: Days after which a run's state is taken to be of no use.
        keep: The run that is never removed.

    Returns:
        The names of the runs removed.
    """
    if not folder.is_dir():
        return []
    oldest = time.time() - days * _SECONDS_PER_DAY
    removed = []
    for run in sorted(folder.iterdir()):
        if _LINEAGE.fullmatch(run.name) and run.name != keep and run.stat().st_mtime < oldest:
            shutil.rmtree(run, ignore_errors=True)
            removed.append(run.name)
    if removed:
        logger.info("removed the state of %d runs older than %g days", len(removed), days)
    return removed
