"""Finding a site's own file: in a fixed order of places, never in a job."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fedgin
from fedgin.config import parse, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.sites.schema import SiteConfig

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "FEDGIN_SITE_CONFIGS"
FOLDER_NAME = "site_configs"
_SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Site:
    """A site: its name, its file and what the file says."""

    name: str
    path: Path
    config: SiteConfig


def candidate_files(site: str, *, local_folder: Path | None = None) -> list[Path]:
    """Lists the places where a site's file may lie, the most specific first.

    Args:
        site: Name of the site.
        local_folder: The `local` folder of the site's FLARE kit, where there is one.
    """
    folders: list[Path] = []
    if local_folder is not None:
        folders.append(local_folder)
    if variable := os.environ.get(FOLDER_VARIABLE):
        folders.append(Path(variable))
    if started_in := os.environ.get("PWD"):
        # FLARE's simulator changes its working directory; PWD keeps where the user typed.
        folders.append(Path(started_in) / FOLDER_NAME)
    checkout = Path(fedgin.__file__).resolve().parents[2]
    if (checkout / "custom" / "pyproject.toml").is_file():
        # Only beside an editable install: a package that a job carried must not bring data paths.
        folders.append(checkout / FOLDER_NAME)
    files = [folder / f"{site}.yaml" for folder in folders]
    return list(dict.fromkeys(files))


def check_site_name(site: str) -> None:
    """Checks a site's name; FLARE, folders and tables use it as it is.

    Raises:
        ConfigError: It has other characters than letters, digits, `.`, `_` and `-`.
    """
    if not _SITE_NAME.fullmatch(site):
        raise ConfigError(
            Problem(
                f"site '{site}'",
                "a site's name has letters, digits, '.', '_' and '-' only, at most 100",
                repr(site),
                "rename the site",
            )
        )


def load_site(site: str, *, local_folder: Path | None = None) -> Site:
    """Finds and reads a site's file.

    Args:
        site: Name of the site: letters, digits, `.`, `_` and `-`.
        local_folder: The `local` folder of the site's FLARE kit, where there is one.

    Raises:
        ConfigError: The name is unfit, no file was found (all places are listed) or it is wrong.
    """
    check_site_name(site)
    files = candidate_files(site, local_folder=local_folder)
    for file in files:
        if file.is_file():
            logger.info("site %s: configuration %s", site, file)
            return _read(file)
    raise ConfigError(
        Problem(
            f"site '{site}'",
            f"a site needs its own {site}.yaml",
            "none in " + ", ".join(str(file.parent) for file in files),
            f"copy one of the examples to one of these folders, or set {FOLDER_VARIABLE}",
        )
    )


def check_site_file(file: Path, *, where: str) -> None:
    """Checks that a file is there and named as a site's file is.

    Args:
        file: The file.
        where: What errors should name.

    Raises:
        ConfigError: There is no such file, or its name is unfit.
    """
    if file.suffix not in (".yaml", ".yml") or not file.is_file():
        raise ConfigError(
            Problem(
                where,
                "a site's file is a YAML file that is named after the site",
                "no such file" if not file.is_file() else f"the suffix '{file.suffix}'",
                "name the file, such as hospital-a.yaml",
            )
        )
    check_site_name(file.stem)


def load_site_file(file: Path) -> Site:
    """Reads a site's file wherever it lies; its name without suffix is the site's.

    Raises:
        ConfigError: It is no YAML file that is named after a site, or it is wrong.
    """
    check_site_file(file, where=str(file))
    return _read(file)


def _read(file: Path) -> Site:
    config = parse(SiteConfig, read_mapping(file), where=str(file))
    return Site(name=file.stem, path=file, config=config)


def load_sites(names: Sequence[str]) -> list[Site]:
    """Reads several sites' files; the problems of all are raised together.

    Raises:
        ConfigError: One or more sites have no file or a wrong one.
    """
    sites: list[Site] = []
    problems: list[Problem] = []
    for name in names:
        try:
            sites.append(load_site(name))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return sites
