"""Removing what is made from patients: prepared volumes, and what runs left at a site.

Only what this package writes is found, by its names, and only below the folders it was written to;
links are not followed. A site's secret, its ledger, released models and original data stay.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedgin.data.cache import HASHES_FOLDER, VOLUMES_FOLDER

Kind = Literal["prepared volume", "file hashes", "state", "pictures", "patients' scores"]
RUN_FOLDERS: dict[str, Kind] = {
    "state": "state",
    "pictures": "pictures",
    "test_scores": "patients' scores",
    "kept_arrays": "state",
}
"""Folders of a run's own folder at a site that show patients, or were trained on them."""
_ENTRY = re.compile(r"[0-9a-f]{64}|\.partial-\w+")
_LINEAGE = re.compile(r"[0-9a-f]{32}")
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Remains:
    """A folder that can be removed.

    Attributes:
        path: The folder.
        root: The folder that it must lie in.
        kind: What it holds.
        bytes: Size of its files.
        modified: When it was last used or written, seconds since the epoch.
    """

    path: Path
    root: Path
    kind: Kind
    bytes: int
    modified: float

    def older_than(self, days: float) -> bool:
        """Whether nobody has used or written it for so many days."""
        return self.modified < time.time() - days * _SECONDS_PER_DAY


def in_cache(folder: Path) -> list[Remains]:
    """Lists what a cache holds."""
    volumes = folder / VOLUMES_FOLDER
    found = [
        _remains(entry, root=folder, kind="prepared volume")
        for entry in _folders(volumes)
        if _ENTRY.fullmatch(entry.name)
    ]
    hashes = folder / HASHES_FOLDER
    if hashes in _folders(folder):
        found.append(_remains(hashes, root=folder, kind="file hashes"))
    return found


def in_state(folder: Path) -> list[Remains]:
    """Lists the states of a site's runs.

    Args:
        folder: The site's folder of states, with one folder per run.
    """
    return [
        _remains(run, root=folder, kind="state")
        for run in _folders(folder)
        if _LINEAGE.fullmatch(run.name)
    ]


def in_runs(folder: Path) -> list[Remains]:
    """Lists pictures, scores and states in the runs' own folders.

    Args:
        folder: A site's kit or workspace, with one folder per run.
    """
    return [
        _remains(part, root=folder, kind=RUN_FOLDERS[part.name])
        for run in _folders(folder)
        for part in _folders(run)
        if part.name in RUN_FOLDERS
    ]


def remove(remains: Iterable[Remains]) -> int:
    """Removes folders.

    Returns:
        The bytes that were freed.

    Raises:
        ValueError: A folder does not lie in its root, or is a link; it and those after it stay.
        OSError: A folder cannot be removed.
    """
    freed = 0
    for each in remains:
        if each.path.is_symlink() or not _lies_in(each.path, each.root):
            raise ValueError(f"{each.path} does not lie in {each.root}")
        shutil.rmtree(each.path)
        freed += each.bytes
    return freed


def by_kind(remains: Sequence[Remains]) -> dict[Kind, tuple[int, int]]:
    """Counts folders and bytes by kind."""
    found: dict[Kind, tuple[int, int]] = {}
    for each in remains:
        count, size = found.get(each.kind, (0, 0))
        found[each.kind] = (count + 1, size + each.bytes)
    return found


def _folders(folder: Path) -> list[Path]:
    """Lists real folders in a folder, which may be missing."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())


def _remains(path: Path, *, root: Path, kind: Kind) -> Remains:
    times, size = [path.lstat().st_mtime], 0
    for folder, _, files in os.walk(path):  # does not follow links
        for name in files:
            status = (Path(folder) / name).lstat()
            times.append(status.st_mtime)
            size += status.st_size
    return Remains(path=path, root=root, kind=kind, bytes=size, modified=max(times))


def _lies_in(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve()) and path.resolve() != root.resolve()
