"""The folder that phantoms are written into: never one that holds something else."""

from __future__ import annotations

from pathlib import Path

from fedgin.config import read_mapping
from fedgin.confined import ConfinedFolder
from fedgin.errors import ConfigError, FedginError, Problem

DATALIST = "dataset.json"
PHANTOM_NAME = "fedgin phantom"
"""How the name in the datalist of a set of phantoms begins."""
_LISTED = 5


def clear_phantoms(out: Path, *, force: bool) -> None:
    """Checks that phantoms may be written into a folder, and removes those of an earlier call.

    Args:
        out: The folder; it need not exist.
        force: Whether an earlier call's phantoms may be replaced. Other files never are.

    Raises:
        ConfigError: It is no folder, or it has files that may not be replaced.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise _taken(out, "a file", "name another folder")
    files = sorted(path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    if not files:
        return
    own = _earlier(out)
    foreign = [path.relative_to(out).as_posix() for path in files if path not in own]
    if foreign:
        more = f" and {len(foreign) - _LISTED} more" if len(foreign) > _LISTED else ""
        found = "files that no earlier call wrote: " + ", ".join(foreign[:_LISTED]) + more
        raise _taken(out, found, "name another folder")
    if not force:
        found = f"phantoms of an earlier call, {len(files)} files"
        raise _taken(out, found, "name another folder, or replace them by --force")
    for path in files:
        path.unlink()


def _taken(out: Path, found: str, mend: str) -> ConfigError:
    rule = "phantoms need a new or empty folder, or with --force that of an earlier call"
    return ConfigError(Problem(str(out), rule, found, mend))


def _earlier(out: Path) -> set[Path]:
    """Returns the files of an earlier call by its datalist; none where there is no such list."""
    try:
        content = read_mapping(out / DATALIST)
        if not str(content.get("name", "")).startswith(f"{PHANTOM_NAME} "):
            return set()
        folder, where = ConfinedFolder(out), str(out / DATALIST)
        names = [entry[kind] for entry in content["training"] for kind in ("image", "label")]
        return {out / DATALIST, *(folder.file(name, where=where) for name in names)}
    except (FedginError, KeyError, TypeError, AttributeError):
        return set()
