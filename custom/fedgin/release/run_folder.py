"""The folder of a training run without a federation: never that of an earlier run unasked."""

from __future__ import annotations

import shutil
from pathlib import Path

from fedgin.engine.pooled import BEST_MODEL, HISTORY, LAST_MODEL
from fedgin.engine.site_work import STATE_FOLDER
from fedgin.outputs import check_nothing_earlier
from fedgin.release.from_training import RELEASE_FOLDER

RUN_ENTRIES = (BEST_MODEL, LAST_MODEL, HISTORY, RELEASE_FOLDER, STATE_FOLDER)
"""What a run leaves in its folder."""


def check_run_folder(folder: Path, *, where: str, force: bool) -> None:
    """Checks that a run may be written into a folder, before any work.

    Args:
        folder: The folder; it need not exist.
        where: The option that names it.
        force: Whether an earlier run there may be replaced.

    Raises:
        ConfigError: It cannot be written, or holds an earlier run that may not be replaced.
    """
    check_nothing_earlier(
        folder,
        RUN_ENTRIES,
        where=where,
        force=force,
        rule="an earlier run's models are not overwritten",
        mend="name another folder, such as --out runs/second, or replace them by --force",
    )


def clear_run_folder(folder: Path) -> None:
    """Removes what an earlier run left; other files stay.

    Raises:
        OSError: The folder cannot be written.
    """
    for path in (folder / name for name in RUN_ENTRIES):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
