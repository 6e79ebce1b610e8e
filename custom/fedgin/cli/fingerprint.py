"""`fedgin fingerprint`: what of a site's data would leave, and the plan that would follow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedgin.cli.common import SitesOption, sites_from
from fedgin.cli.tables import print_whole
from fedgin.errors import ConfigError, Problem
from fedgin.outputs import check_nothing_earlier

if TYPE_CHECKING:
    from fedgin.fingerprint.rehearsal import Rehearsal

DIMENSIONS = (2, 3)


def fingerprint(
    sites: SitesOption = "site-1,site-2",
    task: Annotated[str, typer.Option("--task", help="heart or abdomen")] = "heart",
    dims: Annotated[int, typer.Option("--dims", help="plan for slices (2) or volumes (3)")] = 2,
    smallest_count: Annotated[
        int | None,
        typer.Option(min=1, help="patients a count must stand on, in place of the sites' own"),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option("--noise", min=0.001, help="epsilon of noise, in place of the sites' own"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for fingerprint.json and plan.json of what leaves")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="replace an earlier fingerprint in the folder")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print all of it as JSON")] = False,
) -> None:
    """Count sites' training data here; show what would leave, and how far the plan is off."""
    from fedgin.config import parse
    from fedgin.fingerprint.plan import PLAN_FILE
    from fedgin.fingerprint.rehearsal import rehearse
    from fedgin.fingerprint.report import FINGERPRINT_FILE, write_fingerprint
    from fedgin.fingerprint.settings import FingerprintSettings

    if dims not in DIMENSIONS:
        raise ConfigError(Problem("--dims", "it must be 2 or 3", str(dims), "write one of them"))
    if out is not None:
        check_nothing_earlier(
            out,
            (FINGERPRINT_FILE, PLAN_FILE),
            where=f"--out {out}",
            force=force,
            rule="an earlier fingerprint is not overwritten: training jobs pin its plan",
            mend="name another folder, or replace what is there by --force",
        )
    settings = parse(
        FingerprintSettings, {"task": task, "spatial_dims": dims}, where="fedgin fingerprint"
    )
    found = rehearse(sites_from(sites), settings, smallest_count=smallest_count, epsilon=epsilon)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_fingerprint(out, found.released, found.released_plan)
    if as_json:
        sys.stdout.write(json.dumps(_document(found), indent=2, allow_nan=False) + "\n")
    else:
        _show(found)
        if out is not None:
            written = FINGERPRINT_FILE if found.released_plan is None else PLAN_FILE
            line = f"written to folder {out}: {out / written}"
            Console().print(line, highlight=False, markup=False, soft_wrap=True)
    if found.released_plan is None:
        raise typer.Exit(1)


def _document(found: Rehearsal) -> dict[str, object]:
    from fedgin.fingerprint.deviation import as_document

    plan = found.released_plan
    return {
        "leaves": {site: summary.message() for site, summary in found.released.answers.items()},
        "plan": None if plan is None else plan.model_dump(mode="json"),
        "plan_sha256": None if plan is None else plan.sha256(),
        "deviations": as_document(found.deviations()),
    }


def _show(found: Rehearsal) -> None:
    from fedgin.fingerprint.leaving import leaving_rows
    from fedgin.fingerprint.report import describe

    console = Console()
    for site, summary in found.released.answers.items():
        rows = leaving_rows(summary)
        if not rows:
            continue
        titles = ("modality", "quantity", "bins with counts", "counts", "least", "from bin to bin")
        leaves = Table(*titles, title=f"What would leave {site}")
        for row in rows:
            span = f"{row.span} {row.unit}"
            cells = (row.modality, row.quantity, row.bins, row.counts, row.least, span)
            leaves.add_row(*(Text(cell) for cell in cells))
        console.print(leaves)
    table = Table("value", "exact counts", "what leaves", "difference", title="The plan")
    for each in found.deviations():
        values = (each.key, each.exact, each.released, each.difference)
        table.add_row(*(Text(value) for value in values))
    print_whole(console, table)
    words = describe(found.released, found.released_plan)
    console.print(words, markup=False, highlight=False, soft_wrap=True, end="")
