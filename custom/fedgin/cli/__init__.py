"""The console command `fedgin`: one verb each, in a module of its own."""

from __future__ import annotations

import logging
import sys

import typer
from rich.console import Console
from rich.logging import RichHandler

from fedgin.cli import (
    audit,
    bench,
    check,
    compare,
    data,
    doctor,
    export,
    fingerprint,
    job,
    ledger,
    phantom,
    predict,
    prepare,
    purge,
    report,
    study,
    train,
)
from fedgin.errors import FedginError
from fedgin.outputs import system_problem


def build_app() -> typer.Typer:
    """Puts the verbs together."""
    app = typer.Typer(
        help="Federated CT and MR segmentation with GIN augmentation.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command("phantom")(phantom.write_phantoms)
    app.command("prepare")(prepare.prepare)
    app.command("train")(train.train)
    app.command("compare")(compare.compare)
    app.command("study")(study.study)
    app.command("report")(report.report)
    app.command("bench")(bench.bench)
    app.command("predict")(predict.predict)
    app.command("check")(check.check)
    app.command("doctor")(doctor.doctor)
    app.command("ledger")(ledger.ledger)
    app.command("purge")(purge.purge)
    app.command("fingerprint")(fingerprint.fingerprint)
    app.command("audit")(audit.audit)
    app.add_typer(data.build_app(), name="data")
    app.command("export")(export.export)
    app.add_typer(job.build_app(), name="job")
    return app


def main() -> None:
    """Runs the command; a refusal is printed without a traceback and exits with 2."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_path=False, markup=False)],
    )
    # It tells of its fonts the first time that anything is drawn.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    try:
        build_app()()
    except FedginError as error:
        _refuse(str(error))
    except OSError as error:
        # A full disk or an unfit folder that no check before the work has seen.
        _refuse(str(system_problem(error)))


def _refuse(message: str) -> None:
    Console(stderr=True).print(f"fedgin: {message}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
