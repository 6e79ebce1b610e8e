"""`fedgin job`: make deployable copies of jobs, and approve them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fedgin.cli.common import SetOption
from fedgin.errors import ConfigError, Problem

if TYPE_CHECKING:
    from fedgin.approval.job_apps import JobApp

CodeOption = Annotated[
    bool | None,
    typer.Option(
        "--byoc/--installed",
        help="with a copy of the package, or without for sites that installed it",
    ),
]

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--from", help="released model (folder or .safetensors) to start from, or to evaluate"
    ),
]


PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", help="plan.json of a fingerprint, which the job follows and pins"),
]


def build_app() -> typer.Typer:
    """Puts the verbs below `fedgin job` together."""
    app = typer.Typer(
        help="Make deployable copies of jobs, and approve them.", no_args_is_help=True
    )
    app.callback()(_jobs)
    app.command("export")(export)
    app.command("resume")(resume)
    app.command("hash")(hash_job)
    app.command("approve")(approve)
    return app


def _jobs() -> None:
    """Make deployable copies of jobs, and approve them."""


def export(
    job: Annotated[Path, typer.Argument(help="job folder, such as jobs/fed_gin_heart")],
    out: Annotated[Path, typer.Argument(help="new folder for the copy")],
    byoc: CodeOption = None,
    overrides: SetOption = None,
    model: ModelOption = None,
    plan: PlanOption = None,
) -> None:
    """Copy a job for deployment, with overridden settings and the package's hash."""
    from fedgin.jobs.export import export_job

    carries = _carries_code(byoc)
    folder = export_job(job, out, byoc=carries, overrides=overrides or [], model=model, plan=plan)
    _tell(folder, byoc=carries)


def resume(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint that a server wrote")],
    out: Annotated[Path, typer.Argument(help="new folder for the job")],
    byoc: CodeOption = None,
) -> None:
    """Make a job that goes on from a checkpoint, to the same last round."""
    from fedgin.jobs.resume import describe, resume_job

    carries = _carries_code(byoc)
    found = resume_job(checkpoint, out, byoc=carries)
    Console().print(describe(found), highlight=False)
    _tell(out, byoc=carries)


def hash_job(
    job: Annotated[Path, typer.Argument(help="job folder, as it will be submitted")],
) -> None:
    """Print the hash of each app of a job, as the sites that approve code compute it."""
    from fedgin.approval.job_apps import job_apps

    for app in job_apps(job):
        typer.echo(f"{app.sha256}  {app.name} for {', '.join(app.sites)}")
        _warn_of_rewriting(app)


def approve(
    job: Annotated[Path, typer.Argument(help="job folder that was reviewed")],
    note: Annotated[str, typer.Option("--note", help="who approved it, when and why")],
    approved: Annotated[
        Path, typer.Option("--list", help="the site's list: <kit>/local/approved_code.txt")
    ],
    site: Annotated[
        str | None, typer.Option("--site", help="site whose app is meant, where a job has several")
    ] = None,
) -> None:
    """Add a job's app to a site's list of approved code."""
    from fedgin.approval.approved_list import approve as add
    from fedgin.approval.job_apps import app_for_site, job_apps

    app = app_for_site(job_apps(job), site)
    _warn_of_rewriting(app)
    added = add(approved, sha256=app.sha256, note=note)
    typer.echo(f"{app.sha256}  {'approved' if added else 'was approved before'} in {approved}")


def _carries_code(byoc: bool | None) -> bool:
    """Refuses a job for which nobody has said where the sites have the package from."""
    if byoc is None:
        rule = "a job is made with a copy of the package, or for sites that installed it"
        mend = "add --byoc for a copy, or --installed"
        raise ConfigError(Problem("--byoc/--installed", rule, "neither of the two", mend))
    return byoc


def _warn_of_rewriting(app: JobApp) -> None:
    if app.rewritten:
        typer.echo(
            f"note: `nvflare job submit` rewrites {', '.join(app.rewritten)} of {app.name}, and a "
            "site will find another hash; approve what `fedgin job export` wrote",
            err=True,
        )


def _tell(folder: Path, *, byoc: bool) -> None:
    from fedgin.jobs.export import RESOURCES_FILE

    console = Console()
    console.print(f"job in {folder}", highlight=False)
    if not byoc:
        console.print(
            f"sites and server need the class_allow_list of {folder / RESOURCES_FILE} in their "
            "kit's local/resources.json",
            highlight=False,
        )
