"""A job that goes on from a checkpoint."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedgin.config import read_mapping
from fedgin.confined import confined_path
from fedgin.documents import parse_json
from fedgin.engine.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
)
from fedgin.errors import DataError, Problem
from fedgin.jobs.export import CONFIG, SERVER_FILE, add_code, check_out, write_json
from fedgin.package import PACKAGE_FILE, check_package

_JOB_FILE = re.compile(r"meta\.json|app/config/[^/]+\.json")


def resume_job(file: Path, out: Path, *, byoc: bool) -> Checkpoint:
    """Writes a job that trains the rounds which a run still lacks.

    The job carries the checkpoint. Its server starts at the next round, with the remaining number
    of rounds; the learning rate follows the whole run's schedule.

    Args:
        file: The checkpoint.
        out: Folder to make; it must not exist or be empty.
        byoc: As for `fedgin.jobs.export.export_job`.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: The checkpoint is damaged, or its run has finished all rounds.
        ConfigError: The output folder is unfit, or the run's job was exported with other code.
    """
    checkpoint = load_checkpoint(file)
    check_out(out)
    remaining = checkpoint.total_rounds - checkpoint.finished_rounds
    if remaining < 1:
        raise CheckpointError(
            Problem(
                str(file),
                "the run must lack rounds",
                f"{checkpoint.finished_rounds} of {checkpoint.total_rounds} are finished",
                "evaluate its model, or start a new run from it",
            )
        )
    out.mkdir(parents=True, exist_ok=True)
    _write_files(checkpoint.job, out)
    if (out / CONFIG / PACKAGE_FILE).is_file():
        check_package(out / CONFIG)
    server = read_mapping(out / CONFIG / SERVER_FILE)
    _set_rounds(server, first=checkpoint.finished_rounds, rounds=remaining)
    write_json(out / CONFIG / SERVER_FILE, server)
    shutil.copyfile(file, out / CONFIG / CHECKPOINT_FILE)
    add_code(out, byoc=byoc)
    return checkpoint


def _write_files(files: Mapping[str, str], out: Path) -> None:
    for name, text in files.items():
        try:
            target = confined_path(out, name, where="the checkpoint's job")
        except DataError as error:
            raise CheckpointError(error.problems) from None
        if not _JOB_FILE.fullmatch(name):
            raise CheckpointError(
                Problem(
                    "the checkpoint's job",
                    "a checkpoint brings settings only: meta.json and app/config/*.json",
                    "a file of another kind",
                    "use a checkpoint that a server wrote",
                )
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _set_rounds(server: dict[str, Any], *, first: int, rounds: int) -> None:
    """Sets first and number of rounds, in a workflow's arguments or where these refer to."""
    for workflow in server.get("workflows", []):
        arguments = workflow.get("args", {})
        if "num_rounds" not in arguments:
            continue
        arguments["start_round"] = first
        if arguments["num_rounds"] == "{num_rounds}":
            server["num_rounds"] = rounds
        else:
            arguments["num_rounds"] = rounds


def describe(checkpoint: Checkpoint) -> str:
    """Says in a line what a checkpoint holds."""
    try:
        meta = parse_json(checkpoint.job.get("meta.json", "{}"))
    except ValueError:
        meta = {}
    name = meta.get("name", "a job") if isinstance(meta, dict) else "a job"
    return (
        f"run {checkpoint.lineage} of {name}: {checkpoint.finished_rounds} of "
        f"{checkpoint.total_rounds} rounds finished"
    )
