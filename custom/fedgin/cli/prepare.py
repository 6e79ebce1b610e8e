"""`fedgin prepare`: check and cache a site's volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fedgin.cli.common import (
    CHECK_HINT,
    JobOption,
    SetOption,
    SitesOption,
    TaskOption,
    settings_from,
    sites_from,
)
from fedgin.cli.tables import print_whole

if TYPE_CHECKING:
    from fedgin.data.prepare import PreparedSite


def prepare(
    sites: SitesOption = "site-1,site-2",
    task: TaskOption = "heart",
    job: JobOption = None,
    overrides: SetOption = None,
) -> None:
    """Check and cache the volumes of sites; a second call shows what the cache saves."""
    from fedgin.data.prepare_sites import prepare_sites
    from fedgin.data.split import SPLITS
    from fedgin.errors import FedginError

    settings = settings_from(task, overrides, job)
    table = Table(
        "site", "modality", *SPLITS, "prepared now", "from the cache", "no structure", "seconds"
    )

    def show(data: PreparedSite) -> None:
        names = {case.name for cases in data.splits.values() for case in cases}
        table.add_row(
            data.site.name,
            data.site.config.modality,
            *(str(len(data.splits[name])) for name in SPLITS),
            str(data.prepared),
            str(len(names) - data.prepared),
            str(len(data.without_foreground)),
            f"{data.seconds:.2f}",
        )

    refusal: FedginError | None = None
    try:
        prepare_sites(
            sites_from(sites),
            settings,
            only_tests=lambda site: site.config.only_tests,
            on_site=show,
        )
    except FedginError as error:
        refusal = error
    if table.row_count:  # of the sites that are fit, whatever is wrong with the others
        console = Console()
        print_whole(console, table)
        console.print(CHECK_HINT, highlight=False, soft_wrap=True)
    if refusal is not None:
        raise refusal
