"""Fixtures that several tests share: a private cache, small phantom sites, a quick run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedgin.audit.row import AuditRow
from fedgin.settings import ResolvedSettings, make_settings
from fedgin.sites.lookup import Site, load_site

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps the tests out of the user's own folders for cached files and for state."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield folder


@pytest.fixture(autouse=True)
def loggers_of_a_new_process() -> None:
    """Undoes what commands and FLARE, run earlier in this process, did to the logs of fedgin."""
    logging.disable(logging.NOTSET)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("fedgin")]:
        logger = logging.getLogger(name)
        logger.disabled, logger.propagate = False, True
        logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


PHANTOM_SITE = """\
modality: {modality}
dataset: {{kind: phantom, protocol: {protocol}, seed: {seed}, cases: {cases}}}
split: {{by: fraction, validation: 0.25, test: 0.25, seed: 0}}
device: cpu
threads: {threads}
share_images: true
"""


def write_phantom_site(
    folder: Path,
    name: str,
    *,
    modality: str = "CT",
    protocol: str = "arterial",
    seed: int = 1,
    cases: int = 4,
    threads: int = 1,
) -> Path:
    """Writes the file of a small phantom site."""
    file = folder / f"{name}.yaml"
    file.write_text(
        PHANTOM_SITE.format(
            modality=modality, protocol=protocol, seed=seed, cases=cases, threads=threads
        )
    )
    return file


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small phantom sites, site-1 (CT) and site-2 (MR)."""
    folder = tmp_path_factory.mktemp("sites")
    write_phantom_site(folder, "site-1")
    write_phantom_site(folder, "site-2", modality="MR", protocol="bssfp", seed=2)
    return folder


@pytest.fixture
def load(phantom_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Site]:
    """Loads one of the small phantom sites by name."""
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(phantom_folder))
    return load_site


@pytest.fixture(scope="session")
def quick() -> ResolvedSettings:
    """Settings whose round takes a second."""
    return make_settings(
        task="heart",
        channels=[8, 16, 32],
        patch_size=[64, 64],
        spacing=[5.0, 5.0, None],
        batch_size=4,
        steps_per_round=3,
    )


@pytest.fixture(scope="session")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditRow]:
    """The audit's row of canaries, and the folder in which its federation ran."""
    from fedgin.audit.canaries import run

    folder = tmp_path_factory.mktemp("canaries")
    return folder, run(folder=folder, seed=5)
