"""The copies of the sites' files that a study runs with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from fedgin.config import read_mapping
from fedgin.files import write_atomically
from fedgin.sites.lookup import Site

_FOLDERS = ("cache", "state", "models", "ledger", "secret")
_PLACES = (("dataset", "root"), *((section, "folder") for section in _FOLDERS))


def copy_site_files(sites: Sequence[Site], folder: Path) -> None:
    """Copies the sites' files into a folder, from where the simulator's sites read them."""
    folder.mkdir(parents=True, exist_ok=True)
    for site in sites:
        write_atomically(folder / f"{site.name}.yaml", site_file(site))


def site_file(site: Site) -> bytes:
    """Returns a site's file, with whole paths in the place of relative ones.

    FLARE's sites work in folders of their own, where a path relative to the folder that the study
    was started in leads nowhere. A file without such a path is returned as it is.
    """
    whole = {place: path for place in _PLACES if (path := _whole_path(site, *place))}
    if not whole:
        return site.path.read_bytes()
    content = read_mapping(site.path)
    for (section, key), path in whole.items():
        content[section] = {**content[section], key: path}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")


def _whole_path(site: Site, section: str, key: str) -> str | None:
    """Returns the whole path that a relative one stands for; None where there is none."""
    value: Any = getattr(getattr(site.config, section), key, None)
    if not value or Path(value).expanduser().is_absolute():
        return None
    return str(Path(value).absolute())
