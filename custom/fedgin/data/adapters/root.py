"""The root of a data set: the right one, or where it might be instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fedgin.data.adapters.base import Adapter
from fedgin.data.adapters.search import Search, names_in
from fedgin.errors import DataError, Problem

_LOOKED_AT = 100
"""Folders in which a better root is looked for, on each level."""


def begin(
    adapter: Adapter,
    root: Path,
    fits: Callable[[Path], bool],
    *,
    instead: Callable[[Path], tuple[str, str] | None] = lambda root: None,
) -> Search:
    """Begins a search, or says where the root might be instead.

    Args:
        adapter: Whose data set it should be.
        root: The folder that the user named.
        fits: Tells, by a look at names alone, whether a folder is such a root.
        instead: Says of a root that does not fit what it lacks, and which adapter fits.

    Raises:
        DataError: The root is no folder, or not that of such a data set.
    """
    expected = "; ".join(adapter.layout)
    rule = f"the root of {adapter.name} must hold {expected}"
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        raise DataError(Problem(str(root), rule, found, "correct the path or mount the data"))
    if fits(root):
        return Search(root)
    if (other := instead(root)) is not None:
        raise DataError(Problem(str(root), rule, *other))
    names = [name for name in names_in(root) if not name.startswith(".")]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    mend = (
        "name the folder that the data set was unpacked into; files that lie otherwise are "
        "described by a site's file with kind: glob or pairs"
    )
    if (near := _near(root, fits)) is not None:
        mend = f"name {near} instead"
    raise DataError(Problem(str(root), rule, shown or "an empty folder", mend))


def _near(root: Path, fits: Callable[[Path], bool]) -> Path | None:
    """Looks for a fitting folder above, below, and two levels below."""
    below = [path for path in _folders(root) if not path.name.startswith(".")]
    further = [inner for path in below[:_LOOKED_AT] for inner in _folders(path)[:_LOOKED_AT]]
    for candidate in (root.absolute().parent, *below, *further):
        try:
            if fits(candidate):
                return candidate
        except OSError:
            continue  # a folder that cannot be read is no better root
    return None


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
