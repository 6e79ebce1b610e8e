"""One provisioned federation, shared by the tests that need real kits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedgin.jobs.export import export_job

from .federation import TINY, Federation, copy_project, free_port
from .walkthrough import read_sections

ROUNDS = 4
"""Rounds of the runs that are disturbed, and of the one that is not."""
SETUP = ("1. Provision", "2. Every participant", "3. Start")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives federations more time than pytest.ini does: whole jobs run in one test."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def walkthrough(repository: Path) -> dict[str, str]:
    """The commands of the walk-through, by heading."""
    return read_sections(repository / "poc" / "provision" / "README.md")


def section(walkthrough: dict[str, str], beginning: str) -> str:
    """Returns the commands under the one heading that begins so."""
    (name,) = (name for name in walkthrough if name.startswith(beginning))
    return walkthrough[name]


@pytest.fixture(scope="session")
def federation(
    repository: Path, walkthrough: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Federation]:
    """Provisioned, set up and started by the walk-through's own commands, but on a free port."""
    made = Federation(folder=tmp_path_factory.mktemp("federation"), repository=repository)
    copy_project(repository, made.folder, port=free_port())
    try:
        for beginning in SETUP:
            made.bash(section(walkthrough, beginning))
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def tiny_job(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Exports the heart job with a tiny network; settings and the form can be chosen."""

    def export(name: str, *overrides: str, byoc: bool = False) -> Path:
        return export_job(
            repository / "jobs" / "fed_gin_heart",
            tmp_path_factory.mktemp("jobs") / name,
            byoc=byoc,
            overrides=list({text.split("=")[0]: text for text in (*TINY, *overrides)}.values()),
        )

    return export


@pytest.fixture(scope="session")
def undisturbed(federation: Federation, tiny_job: Callable[..., Path]) -> Path:
    """A run in which nothing went wrong: the truth for those in which something did."""
    return federation.run(tiny_job("whole", f"num_rounds={ROUNDS}", "min_clients=3"))
