"""A provisioned federation, made once: real kits with real certificates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from provisioned import Federation, provision

from fedgin.doctor.kit import Kit, read_kit


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return provision(tmp_path_factory.mktemp("provisioned") / "ours")


@pytest.fixture(scope="session")
def other_federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """Another federation with the same names, and another authority."""
    return provision(tmp_path_factory.mktemp("provisioned") / "theirs")


@pytest.fixture
def kit_folder(federation: Federation, tmp_path: Path) -> Path:
    """A copy of the client's kit that a test may change."""
    return Path(shutil.copytree(federation.client, tmp_path / "kit"))


@pytest.fixture
def kit(kit_folder: Path) -> Kit:
    return read_kit(kit_folder)
