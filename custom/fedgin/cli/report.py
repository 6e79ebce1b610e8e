"""`fedgin report`: write a report again from the numbers that a study or a run left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedgin.config import read_mapping
from fedgin.documents import RECORD
from fedgin.errors import ConfigError, Problem


def report(
    path: Annotated[
        Path, typer.Argument(help="a study's folder, or the report.json of a federated run")
    ],
) -> None:
    """Write report.html from a study's results, or from a run's report.json with its table."""
    console = Console()
    if path.is_dir() and (path / "results.json").is_file():
        from fedgin.report.study.write import write_report

        written = write_report(path)
    elif path.suffix == ".json" and path.is_file():
        written = _run_report(path)
    elif path.is_dir() and (path / "study.json").is_file():
        raise ConfigError(
            Problem(
                str(path),
                "a study's report is made from results.json and results.csv, written at its end",
                "study.json, but no results.json: the study has not finished",
                "start the study again by the same command, which goes on where it stopped",
            )
        )
    else:
        raise ConfigError(
            Problem(
                str(path),
                "a report is made from a study's folder or from a federated run's report.json",
                "neither",
                "name the folder given to fedgin study --out, or the JSON file",
            )
        )
    console.print(f"report: {written}", highlight=False, soft_wrap=True)


def _run_report(path: Path) -> Path:
    from jinja2 import UndefinedError

    from fedgin.report.record_values import record_from_values
    from fedgin.report.run_table import IN_WORDS, render
    from fedgin.report.study.federation import write_federation_report

    run = read_mapping(path, bounds=RECORD)
    if missing := [key for key in ("title", "final", "validation", "sites") if key not in run]:
        raise ConfigError(
            Problem(
                str(path),
                "the file must be what a federated run of this package left",
                f"no {', '.join(missing)}",
                "name the report.json in the server's run folder",
            )
        )
    target = path.with_suffix(".html")
    try:
        record = record_from_values({name: run[name] for name in run if name not in IN_WORDS})
        record.files = {}  # where the run left them, on the server: here they lie elsewhere
        table = render(record)
        write_federation_report(run, target)
    except (TypeError, ValueError, KeyError, AttributeError, UndefinedError) as error:
        raise ConfigError(
            Problem(
                str(path),
                "the file must be what a federated run of this version left, whole",
                f"{type(error).__name__}: {error}",
                "fetch the file again, or use the version of fedgin that the run used",
            )
        ) from None
    sys.stdout.write(table)
    return target
