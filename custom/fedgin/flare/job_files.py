"""A job's own files, as the server has them when the job runs."""

from __future__ import annotations

import json
from pathlib import Path

from nvflare.apis.fl_constant import WorkspaceConstants
from nvflare.apis.fl_context import FLContext

from fedgin.config import read_mapping
from fedgin.documents import CONFIGURATION
from fedgin.engine.checkpoint import CHECKPOINT_FILE
from fedgin.errors import ConfigError, Problem
from fedgin.files import read_bounded
from fedgin.flare.context import CONFIG_FOLDER, app_folder, run_folder
from fedgin.jobs.carried_model import START_FOLDER

META_FILE = "meta.json"
META_KEYS = ("name", "resource_spec", "min_clients", "mandatory_clients", "deploy_map", "scope")
"""What a submitter writes into meta.json; FLARE adds more."""


def read_job_files(fl_ctx: FLContext) -> dict[str, str]:
    """Reads the job's configuration, by path within the job."""
    folder = app_folder(fl_ctx) / CONFIG_FOLDER
    files = {
        f"app/{CONFIG_FOLDER}/{file.name}": _text(file) for file in sorted(folder.glob("*.json"))
    }
    meta_file = run_folder(fl_ctx) / WorkspaceConstants.JOB_META_FILE
    meta = read_mapping(meta_file) if meta_file.is_file() else {}
    files[META_FILE] = json.dumps({key: meta[key] for key in META_KEYS if key in meta}, indent=2)
    return files


def _text(file: Path) -> str:
    try:
        return read_bounded(file, limit=CONFIGURATION.size).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            Problem(str(file), "a job's file must be a text within bounds", str(error), "mend it")
        ) from None


def carried_checkpoint(fl_ctx: FLContext) -> Path | None:
    """Returns the checkpoint that a job goes on from, or None for a job that starts anew."""
    file = app_folder(fl_ctx) / CONFIG_FOLDER / CHECKPOINT_FILE
    return file if file.is_file() else None


def carried_model(fl_ctx: FLContext) -> Path | None:
    """Returns the folder of the released model that a job starts from or measures, or None."""
    folder = app_folder(fl_ctx) / CONFIG_FOLDER / START_FOLDER
    return folder if folder.is_dir() else None
