"""Walking a tree of folders in a settled order; hidden entries and DICOMDIR are passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fedgin.errors import DataError, Problem

MAX_FOLDERS = 100_000


@dataclass(frozen=True)
class TreeFolder:
    """A folder of a tree.

    Attributes:
        path: The folder.
        files: What it holds that is no folder, by name.
        folders: The folders below it that are looked into.
        links: Links to folders, which are not followed: they may lead anywhere, or in a circle.
    """

    path: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    links: tuple[Path, ...]


def walk_tree(root: Path) -> Iterator[TreeFolder]:
    """Yields a root, which may itself be a link, and all folders below it.

    Raises:
        DataError: There are too many folders.
    """
    for number, (name, folders, files) in enumerate(os.walk(root)):
        if number >= MAX_FOLDERS:
            rule, mend = f"a root must hold at most {MAX_FOLDERS} folders", "name one further down"
            raise DataError(Problem(str(root), rule, "more", mend))
        folder = Path(name)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        links = tuple(folder / each for each in folders if (folder / each).is_symlink())
        shown = sorted(each for each in files if not each.startswith("."))
        yield TreeFolder(
            path=folder,
            files=tuple(folder / each for each in shown if each.upper() != "DICOMDIR"),
            folders=tuple(path for each in folders if (path := folder / each) not in links),
            links=links,
        )
