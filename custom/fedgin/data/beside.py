"""What lies beside a site's cases and is none of them, as far as its file does not list them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Set
from pathlib import Path

from fedgin.config import nearest
from fedgin.data.adapters.base import LeftOut
from fedgin.data.adapters.left_out import left_out_lines
from fedgin.data.adapters.search import NO_IMAGE, nifti_stem, shown
from fedgin.data.file_cases import globbed_name
from fedgin.errors import ConfigError, Problem
from fedgin.sites.lookup import Site
from fedgin.sites.rooted import RootedData
from fedgin.sites.schema import GlobbedData

logger = logging.getLogger(__name__)

NO_FIT = "a NIfTI file that no pattern of the site's file fits (upper and lower case matter)"
_MOST_SAID = 300


def files_beside(site: Site) -> list[LeftOut]:
    """Lists the NIfTI files in the folders of a site's patterns that belong to no case.

    Returns:
        Files whose names end in `.nii` or `.nii.gz` in any case; none without patterns.
    """
    dataset = site.config.dataset
    if not isinstance(dataset, GlobbedData):
        return []
    root = Path(dataset.root).expanduser()
    images = set(root.glob(dataset.images))
    names = [globbed_name(root, dataset, image) for image in images]
    used = images | {root / dataset.labels.replace("*", name) for name in names}
    labels = set(root.glob(dataset.labels))
    folders = {*_folders(root, dataset.images), *_folders(root, dataset.labels)}
    beside = []
    for folder in sorted(folders):
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            beside.append((folder, "a folder that cannot be read"))
            continue
        beside += [
            (path, NO_IMAGE if path in labels else NO_FIT)
            for path in paths
            if path not in used and nifti_stem(path.name) is not None and not path.is_dir()
        ]
    return [LeftOut(shown(path.relative_to(root).as_posix()), why) for path, why in beside]


def log_beside(site: Site) -> None:
    """Says in the log which files belong to no case, and which cases the site's file excludes."""
    for line in left_out_lines(files_beside(site)):
        logger.warning("site %s: left out: %s", site.name, line)
    if excluded := excluded_names(site):
        logger.info(
            "site %s: %d cases excluded by its file: %s",
            site.name,
            len(excluded),
            ", ".join(excluded),
        )


def _folders(root: Path, pattern: str) -> Iterator[Path]:
    parent = pattern.rpartition("/")[0]
    folders = root.glob(parent) if "*" in parent else [root / parent]
    # A link out of the root is refused where a case lies behind it, and not followed here.
    real = root.resolve()
    return (f for f in folders if f.is_dir() and f.resolve().is_relative_to(real))


def excluded_names(site: Site) -> tuple[str, ...]:
    """Returns the cases that the site's file excludes."""
    dataset = site.config.dataset
    return dataset.exclude if isinstance(dataset, RootedData) else ()


def check_excluded(site: Site, names: Set[str]) -> None:
    """Checks that every case that is excluded is there.

    Args:
        site: The site.
        names: All cases that its data have.

    Raises:
        ConfigError: Some are not; each is named with the nearest.
    """
    problems = [
        Problem(
            f"{site.path}: key 'dataset.exclude'",
            "every case that is excluded must be there",
            f"'{name}' ({_near(name, names)})",
            "correct the name, or remove it",
        )
        for name in excluded_names(site)
        if name not in names
    ]
    if problems:
        raise ConfigError(problems)


def _near(name: str, names: Set[str]) -> str:
    said = nearest(name, names)  # a site may have thousands of cases
    return said if len(said) <= _MOST_SAID else said[:_MOST_SAID] + " ..."
