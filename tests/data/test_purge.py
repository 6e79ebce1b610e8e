"""Purging finds what the package wrote, all of it and nothing else, and follows no link."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from fedgin.data.cache import VolumeCache, lock_for_removal
from fedgin.data.purge import Remains, by_kind, in_cache, in_runs, in_state, remove
from fedgin.sites.folders import CacheSettings

DAY = 86_400


@pytest.fixture
def cache(tmp_path: Path) -> VolumeCache:
    """A cache of three volumes and some remembered hashes."""
    made = VolumeCache(CacheSettings(folder=str(tmp_path / "cache")))
    for number in range(3):
        key = made.key(content=str(number), settings={})
        made.store(key, arrays={"image": np.zeros(1000, np.float32)}, meta={})
    (tmp_path / "scan").write_bytes(b"voxels")
    made.hashes.of(tmp_path / "scan")
    return made


def test_all_that_a_cache_holds_goes_and_what_is_another_s_stays(cache: VolumeCache) -> None:
    (cache.folder / "notes.txt").write_text("mine")
    (cache.folder / "volumes/mine").mkdir()
    found = in_cache(cache.folder)
    counted = by_kind(found)
    assert counted["prepared volume"][0] == 3
    size = sum(f.stat().st_size for f in cache.folder.rglob("*") if f.is_file())
    assert remove(found) == size - len("mine")
    left = sorted(p.relative_to(cache.folder).as_posix() for p in cache.folder.rglob("*"))
    assert left == ["notes.txt", "volumes", "volumes/mine"]


def test_a_link_is_neither_listed_nor_followed(cache: VolumeCache, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "scan.nii").write_text("data")
    (cache.folder / "volumes" / ("0" * 64)).symlink_to(precious)
    entry = next((cache.folder / "volumes").glob("[0-9a-f]*[!0]"))
    (entry / "inside").symlink_to(precious)
    remove(in_cache(cache.folder))
    assert (precious / "scan.nii").read_text() == "data"


def test_what_does_not_lie_in_its_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    for path in (tmp_path / "outside", tmp_path / "root/../outside", tmp_path / "root"):
        bad = Remains(path=path, root=tmp_path / "root", kind="state", bytes=0, modified=0)
        with pytest.raises(ValueError, match="does not lie in"):
            remove([bad])
    assert (tmp_path / "outside").is_dir()


def test_states_of_runs_go_by_their_names(tmp_path: Path) -> None:
    for name in ("a" * 32, "b" * 32, "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state-after-round-0.pt").write_bytes(b"12345")
    found = in_state(tmp_path)
    assert [each.path.name for each in found] == ["a" * 32, "b" * 32]
    assert remove(found) == 10
    assert (tmp_path / "other").is_dir()


def test_of_runs_pictures_scores_and_states_go_and_models_stay(tmp_path: Path) -> None:
    for name in ("pictures", "test_scores", "state", "models"):
        (tmp_path / "job" / name).mkdir(parents=True)
        (tmp_path / "job" / name / "file").write_bytes(b"123")
    found = in_runs(tmp_path)
    assert set(by_kind(found)) == {"pictures", "patients' scores", "state"}
    assert remove(found) == 9
    assert [each.name for each in (tmp_path / "job").iterdir()] == ["models"]


def test_age_is_that_of_the_last_use(cache: VolumeCache) -> None:
    keys = [each.path for each in in_cache(cache.folder) if each.kind == "prepared volume"]
    long_ago = time.time() - 10 * DAY
    for folder in keys[:2]:
        for path in (folder, *folder.iterdir()):
            os.utime(path, (long_ago, long_ago))
    assert cache.find(keys[0].name)  # used again
    old = [each.path for each in in_cache(cache.folder) if each.older_than(5)]
    assert old == [keys[1]]


def test_a_cache_in_use_cannot_be_locked_until_the_run_ends(cache: VolumeCache) -> None:
    lease = cache.lease()
    other = cache.lease()  # two runs may use it at once
    assert lock_for_removal(cache.folder) is None
    lease.close()
    assert lock_for_removal(cache.folder) is None
    other.close()
    lock = lock_for_removal(cache.folder)
    assert lock is not None
    lock.close()
