"""Where the real volumes lie, if they do."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def real_data_folder() -> Path | None:
    """The folder with real volumes, where there is one."""
    folder = Path(
        os.environ.get("FEDGIN_REAL_DATA", REPOSITORY.parent / "shared/data/totalsegmentator")
    )
    return folder if (folder / "manifest.json").is_file() else None
