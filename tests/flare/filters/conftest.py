"""A site's kit, its context and the scopes' filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from nvflare.apis.filter import Filter
from nvflare.apis.fl_context import FLContext

from .answers import SITE, site_context
from .chains import scope_chains


@pytest.fixture
def kit(tmp_path: Path, phantom_folder: Path) -> Path:
    """The kit of a site whose file names a folder for what outlives a run."""
    folder = tmp_path / "kit"
    (folder / "local").mkdir(parents=True)
    text = (phantom_folder / f"{SITE}.yaml").read_text()
    state = f"state: {{folder: {tmp_path / 'state'}}}\n"
    (folder / "local" / f"{SITE}.yaml").write_text(text + state)
    return folder


@pytest.fixture
def fl_ctx(kit: Path) -> FLContext:
    """The context of a task at that site."""
    return site_context(kit)


@pytest.fixture(scope="module")
def chains(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Filter]]:
    """By scope its filters, from the file that hospitals copy."""
    return scope_chains(repository, tmp_path_factory.mktemp("scopes"))
