"""A study's sites: the federation that trains, and the hospitals that only test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fedgin
from fedgin.config import parse, read_mapping
from fedgin.errors import ConfigError, Problem
from fedgin.sites.data_sets import AdapterData
from fedgin.sites.lookup import (
    FOLDER_NAME,
    Site,
    candidate_files,
    check_site_name,
    load_site,
)
from fedgin.sites.schema import PhantomData, SiteConfig

DEFAULT_TRAINING = ("ct-arterial", "ct-portal", "mr-bssfp", "mr-t1")
DEFAULT_UNSEEN = ("ct-native", "mr-t2")
_FOLDER = "study"


def checkout() -> Path | None:
    """Returns the checkout beside an editable install; None where the package stands alone."""
    folder = Path(fedgin.__file__).resolve().parents[2]
    return folder if (folder / "custom" / "pyproject.toml").is_file() else None


def find_site(name: str) -> Site:
    """Finds a site by name, or reads the site file at a path.

    A name is looked up as everywhere, and then among the phantoms in `site_configs/study`.

    Raises:
        ConfigError: There is no such site, or its file is wrong.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name).resolve()
        check_site_name(path.stem)  # runs join the names of their sites by "+"
        config = parse(SiteConfig, read_mapping(path), where=str(path))
        return Site(name=path.stem, path=path, config=config)
    check_site_name(name)
    phantom = _phantom_file(name)
    own = any(file.is_file() for file in candidate_files(name))
    if phantom is not None and not own:
        config = parse(SiteConfig, read_mapping(phantom), where=str(phantom))
        return Site(name=name, path=phantom, config=config)
    return load_site(name)


def default_sites(names: Sequence[str]) -> list[str]:
    """Returns the files of the phantom sites of the default study.

    The user's own site files, wherever they lie, have no say in it: it is the same study for all.
    Without a checkout there are only the names.
    """
    return [str(_phantom_file(name) or name) for name in names]


def _phantom_file(name: str) -> Path | None:
    root = checkout()
    file = root / FOLDER_NAME / _FOLDER / f"{name}.yaml" if root else None
    return file if file is not None and file.is_file() else None


def load_study_sites(
    training: Sequence[str], unseen: Sequence[str]
) -> tuple[tuple[Site, ...], tuple[Site, ...]]:
    """Reads the files of a study's sites.

    Args:
        training: Names or YAML files of the sites that train.
        unseen: The same of the hospitals that only test.

    Raises:
        ConfigError: A file is missing or wrong, two sites have one name, or nobody trains; the
            problems of all are listed.
    """
    problems: list[Problem] = []
    found: list[list[Site]] = [[], []]
    for sites, names in zip(found, (training, unseen), strict=True):
        for name in names:
            try:
                sites.append(find_site(name))
            except ConfigError as error:
                problems.extend(error.problems)
    names = [site.name for sites in found for site in sites]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(
            Problem(
                f"site '{name}'",
                "a site may stand once, among the training or among the unseen sites",
                f"{names.count(name)} times",
                "rename or remove one",
            )
        )
    if not training:
        problems.append(Problem("--sites", "a study needs a training site", "none", "name one"))
    if problems:
        raise ConfigError(problems)
    return tuple(sorted(found[0], key=lambda site: site.name)), tuple(found[1])


def describe_site(site: Site) -> str:
    """Says in a few words where a site's cases come from; no path is shown."""
    data = site.config.dataset
    if isinstance(data, PhantomData):
        return f"phantom, {data.protocol}, {data.cases} cases"
    if isinstance(data, AdapterData):
        return f"volumes on disk ({data.name})"
    return f"volumes on disk ({data.kind})"
