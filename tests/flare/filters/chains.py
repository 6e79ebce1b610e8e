"""The filter chains of the scopes that hospitals copy, built by FLARE from the files themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from nvflare.apis.filter import Filter
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.workspace import Workspace
from nvflare.private.fed.app.fl_conf import create_privacy_manager
from nvflare.private.privacy_manager import PrivacyManager

SCOPES = ("open", "standard", "strict")


def load_scopes(repository: Path, folder: Path) -> PrivacyManager:
    """Loads a hospital's privacy.json as a client does."""
    for name in ("local", "startup"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    file = repository / "site_configs" / "hospital" / "privacy.json"
    shutil.copyfile(file, folder / "local" / "privacy.json")
    return create_privacy_manager(Workspace(str(folder)), names_only=False)


def scope_chains(repository: Path, folder: Path) -> dict[str, list[Filter]]:
    """By scope the filters of answers in a hospital's privacy.json."""
    manager = load_scopes(repository, folder)
    return {name: manager.get_scope(name).task_result_filters["out"] for name in SCOPES}


def run(chain: Iterable[Filter], answer: Shareable, fl_ctx: FLContext) -> Shareable:
    """Passes an answer through filters."""
    for one in chain:
        answer = one.process(answer, fl_ctx)
    return answer
