"""Finding the ledger that a user means: a file, a folder, or a site's kit."""

from __future__ import annotations

from pathlib import Path

from fedgin.config import parse, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.ledger.book import SUFFIX, ledger_file
from fedgin.sites.schema import SiteConfig

FOLDER = "ledger"
"""The ledger's folder in a kit, where the site's file names no other."""


def find_ledger(path: Path) -> Path:
    """Returns the one ledger at a path.

    Args:
        path: A ledger; a folder with one; or a kit, whose site's file may name another folder.

    Raises:
        ConfigError: There is none, or more than one.
    """
    if path.is_file():
        return path
    found = sorted({*path.glob(f"*{SUFFIX}"), *path.glob(f"{FOLDER}/*{SUFFIX}"), *_named_in(path)})
    if len(found) != 1:
        names = ", ".join(str(file) for file in found)
        raise ConfigError(
            Problem(
                str(path),
                f"a ledger is a file *{SUFFIX}, in the folder that the site's file names or in "
                f"{FOLDER}/ of its kit",
                names or ("none there" if path.is_dir() else "no such folder"),
                "name the file",
            )
        )
    return found[0]


def _named_in(kit: Path) -> list[Path]:
    """Returns the ledgers that the sites' files in a kit name; other files there do not matter."""
    found = []
    for file in sorted((kit / "local").glob("*.yaml")):
        try:
            folder = parse(SiteConfig, read_mapping(file), where=str(file)).ledger.folder
        except ConfigError:
            continue
        if folder is not None:
            found.append(ledger_file(Path(folder).expanduser(), file.stem))
    return [file for file in found if file.is_file()]
