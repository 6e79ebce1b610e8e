"""`fedgin prepare`: check and cache a site's volumes."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fedgin.cli.common import (
    JobOption,
    SetOption,
    SitesOption,
    TaskOption,
    settings_from,
    sites_from,
)


def prepare(
    sites: SitesOption = "site-1,site-2",
    task: TaskOption = "heart",
    job: JobOption = None,
    overrides: SetOption = None,
) -> None:
    """Check and cache the volumes of sites; a second call shows what the cache saves."""
    from fedgin.data.prepare import prepare_site
    from fedgin.data.split import SPLITS
    from fedgin.errors import DataError, FedginError, Problem
    from fedgin.sites.schema import OnlyTestSplit

    settings = settings_from(task, overrides, job)
    table = Table(
        "site", "modality", *SPLITS, "prepared now", "from the cache", "no structure", "seconds"
    )
    problems: list[Problem] = []
    for site in sites_from(sites):
        try:
            only_tests = isinstance(site.config.split, OnlyTestSplit)
            data = prepare_site(site, settings, partial=only_tests, trains=not only_tests)
        except FedginError as error:
            problems += error.problems
            continue
        names = {case.name for cases in data.splits.values() for case in cases}
        table.add_row(
            site.name,
            site.config.modality,
            *(str(len(data.splits[name])) for name in SPLITS),
            str(data.prepared),
            str(len(names) - data.prepared),
            str(len(data.without_foreground)),
            f"{data.seconds:.2f}",
        )
    Console().print(table)
    if problems:
        raise DataError(problems)
