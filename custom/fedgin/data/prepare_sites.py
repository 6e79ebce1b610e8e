"""Preparing several sites: the problems of all are told together, each with its site's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedgin.data.prepare import PreparedSite, prepare_site
from fedgin.errors import ConfigError, DataError, FedginError, Problem
from fedgin.settings import ResolvedSettings
from fedgin.sites.lookup import Site
from fedgin.sites.named_problems import name_site


def prepare_sites(
    sites: Sequence[Site],
    settings: ResolvedSettings,
    *,
    only_tests: Callable[[Site], bool] = lambda site: False,
    on_site: Callable[[PreparedSite], None] = lambda data: None,
) -> list[PreparedSite]:
    """Prepares sites one after another; one that is refused keeps no other from being looked at.

    Args:
        sites: The sites.
        settings: Settings of the run.
        only_tests: Tells of a site whether it never trains, and so may lack structures.
        on_site: Told each site that could be prepared, as soon as it is.

    Raises:
        ConfigError: Files of sites do not fit the task.
        DataError: Volumes break rules.
    """
    prepared: list[PreparedSite] = []
    errors: list[FedginError] = []
    problems: list[Problem] = []
    for site in sites:
        tests = only_tests(site)
        try:
            data = prepare_site(site, settings, partial=tests, trains=not tests)
        except FedginError as error:
            errors.append(error)
            problems += name_site(error.problems, site) if len(sites) > 1 else error.problems
            continue
        prepared.append(data)
        on_site(data)
    if problems:
        kind = DataError if any(isinstance(error, DataError) for error in errors) else ConfigError
        raise kind(problems)
    return prepared
