"""`fedgin purge` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fedgin.cli import build_app
from fedgin.data.cache import VolumeCache
from fedgin.errors import ConfigError
from fedgin.sites.folders import CacheSettings

SITE = """\
modality: CT
dataset: {{kind: phantom, protocol: arterial, seed: 1, cases: 4}}
cache: {{folder: {folder}/cache}}
state: {{folder: {folder}/state}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's file in its kit, with a volume, a state and a run."""
    cache = VolumeCache(CacheSettings(folder=str(tmp_path / "cache")))
    key = cache.key(content="a", settings={})
    cache.store(key, arrays={"image": np.zeros(100)}, meta={})
    for folder in (tmp_path / "state/here" / ("a" * 32), tmp_path / "kit/job/pictures"):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"123")
    (tmp_path / "state/other" / ("b" * 32)).mkdir(parents=True)
    file = tmp_path / "kit/local/here.yaml"
    file.parent.mkdir()
    file.write_text(SITE.format(folder=tmp_path))
    return file


def purge(*arguments: str, answer: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(
        build_app(), ["purge", *arguments], input=answer, catch_exceptions=False
    )
    return result.exit_code, result.output


def remains(folder: Path) -> list[str]:
    kept = ("cache/volumes/*", "state/*/*", "kit/job/pictures")
    return [str(path.relative_to(folder)) for pattern in kept for path in folder.glob(pattern)]


def test_it_shows_asks_and_removes(site: Path, tmp_path: Path) -> None:
    code, output = purge("--site", str(site), answer="n\n")
    assert code == 1
    assert len(remains(tmp_path)) == 4
    assert "prepared volume" in output
    code, output = purge("--site", str(site), answer="y\n")
    assert code == 0
    assert "3 folders removed" in output
    assert remains(tmp_path) == [f"state/other/{'b' * 32}"]  # another site's


def test_what_is_young_stays(site: Path, tmp_path: Path) -> None:
    code, output = purge("--site", str(site), "--older-than", "1", "--yes")
    assert (code, "nothing to remove" in output) == (0, True)
    assert len(remains(tmp_path)) == 4


def test_a_cache_that_a_run_uses_is_refused(site: Path, tmp_path: Path) -> None:
    lease = VolumeCache(CacheSettings(folder=str(tmp_path / "cache"))).lease()
    with pytest.raises(ConfigError, match="a run on this machine"):
        purge("--site", str(site), "--yes")
    assert len(remains(tmp_path)) == 4
    lease.close()


def test_the_user_s_own_cache(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    cache = VolumeCache(CacheSettings())
    cache.store(cache.key(content="a", settings={}), arrays={"a": np.zeros(1)}, meta={})
    code, _ = purge("--all", "--yes")
    assert code == 0
    assert not list((tmp_path / "own/fedgin/volumes").iterdir())
    assert len(remains(tmp_path)) == 4


def test_nothing_named_is_an_error() -> None:
    with pytest.raises(ConfigError, match="--site, --all or --runs"):
        purge("--yes")
