"""A job's own files, as the server has them when the job runs."""

from __future__ import annotations

import json
from pathlib import Path

from nvflare.apis.fl_constant import WorkspaceConstants
from nvflare.apis.fl_context import FLContext

from fedgin.engine.checkpoint import CHECKPOINT_FILE
from fedgin.flare.context import CONFIG_FOLDER, app_folder, run_folder
from fedgin.jobs.carried_model import START_FOLDER

META_FILE = "meta.json"
META_KEYS = ("name", "resource_spec", "min_clients", "mandatory_clients", "deploy_map", "scope")
"""What a submitter writes into meta.json; FLARE adds more."""


def read_job_files(fl_ctx: FLContext) -> dict[str, str]:
    """Reads the job's configuration, by path within the job."""
    folder = app_folder(fl_ctx) / CONFIG_FOLDER
    files = {
        f"app/{CONFIG_FOLDER}/{file.name}": file.read_text(encoding="utf-8")
        for file in sorted(folder.glob("*.json"))
    }
    meta_file = run_folder(fl_ctx) / WorkspaceConstants.JOB_META_FILE
    meta = json.loads(meta_file.read_text(encoding="utf-8")) if meta_file.is_file() else {}
    files[META_FILE] = json.dumps({key: meta[key] for key in META_KEYS if key in meta}, indent=2)
    return files


def carried_checkpoint(fl_ctx: FLContext) -> Path | None:
    """Returns the checkpoint that a job goes on from, or None for a job that starts anew."""
    file = app_folder(fl_ctx) / CONFIG_FOLDER / CHECKPOINT_FILE
    return file if file.is_file() else None


def carried_model(fl_ctx: FLContext) -> Path | None:
    """Returns the folder of the released model that a job starts from or measures, or None."""
    folder = app_folder(fl_ctx) / CONFIG_FOLDER / START_FOLDER
    return folder if folder.is_dir() else None
