"""Prepared volumes on disk: private, whole or absent, within the quota."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from fedgin.data.cache import VolumeCache
from fedgin.data.hashing import FileHashes
from fedgin.errors import ConfigError
from fedgin.sites.folders import CacheSettings

ARRAY = np.arange(1000, dtype=np.float64)  # 8128 bytes as .npy


@pytest.fixture
def cache(tmp_path: Path) -> VolumeCache:
    return VolumeCache(CacheSettings(folder=str(tmp_path / "cache")))


def names(cache: VolumeCache) -> set[str]:
    return {path.name for path in (cache.folder / "volumes").iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def age(cache: VolumeCache, key: str, seconds: int) -> None:
    os.utime(cache.folder / "volumes" / key / "meta.json", (10**9 - seconds,) * 2)


def test_an_entry_comes_back_as_it_was_stored(cache: VolumeCache) -> None:
    assert cache.find("k") is None
    label = np.ones((2, 3), np.uint8)
    stored = cache.store("k", arrays={"image": ARRAY, "label": label}, meta={"spacing": [1, 2.5]})
    found = cache.find("k")
    assert found == stored
    assert found.meta == {"spacing": [1, 2.5]}
    np.testing.assert_array_equal(found.array("image"), ARRAY)
    np.testing.assert_array_equal(found.array("label"), label)
    assert found.array("label").dtype == np.uint8


def test_arrays_are_mapped_and_cannot_be_changed(cache: VolumeCache) -> None:
    array = cache.store("k", arrays={"image": ARRAY}, meta={}).array("image")
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_nobody_else_can_enter_the_folders(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache = VolumeCache(CacheSettings(folder=str(tmp_path / "cache")))
        entry = cache.store("k", arrays={"image": ARRAY}, meta={})
        (tmp_path / "file").write_bytes(b"x")
        cache.hashes.of(tmp_path / "file")
    finally:
        os.umask(before)
    folders = [cache.folder, entry.folder.parent, entry.folder, cache.folder / "hashes"]
    assert [mode(folder) for folder in folders] == [0o700] * 4


def test_by_default_the_cache_lies_in_the_users_cache_folder(private_cache: Path) -> None:
    assert VolumeCache(CacheSettings()).folder == private_cache / "fedgin"


def test_an_interrupted_write_leaves_nothing(cache: VolumeCache) -> None:
    class Unwritable:
        def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
            raise OSError("disk full")

    arrays = {"image": ARRAY, "label": Unwritable()}
    with pytest.raises(OSError, match="disk full"):
        cache.store("k", arrays=arrays, meta={})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        cache.store("k", arrays={"image": ARRAY}, meta={"a": object()})
    assert names(cache) == set()
    assert cache.find("k") is None


def test_the_second_writer_of_a_key_is_content_with_the_first(cache: VolumeCache) -> None:
    cache.store("k", arrays={"image": ARRAY}, meta={"n": 1})
    again = cache.store("k", arrays={"image": ARRAY}, meta={"n": 1})
    np.testing.assert_array_equal(again.array("image"), ARRAY)
    assert names(cache) == {"k"}


def test_writers_of_the_same_key_at_once_leave_one_whole_entry(cache: VolumeCache) -> None:
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(10):
                start.wait()
                cache.store(f"k{number}", arrays={"image": ARRAY}, meta={"n": number})
        except BaseException as error:
            failures.append(error)
            start.abort()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert names(cache) == {f"k{number}" for number in range(10)}
    for number in range(10):
        entry = cache.find(f"k{number}")
        assert entry is not None
        assert entry.meta == {"n": number}
        np.testing.assert_array_equal(entry.array("image"), ARRAY)


def test_the_key_depends_on_content_and_settings_and_nothing_else(cache: VolumeCache) -> None:
    key = cache.key(content="a", settings={"spacing": (1.0, None), "classes": [(1, 1)]})
    assert key == cache.key(content="a", settings={"classes": [(1, 1)], "spacing": (1.0, None)})
    others = [
        cache.key(content="b", settings={"spacing": (1.0, None), "classes": [(1, 1)]}),
        cache.key(content="a", settings={"spacing": (1.5, None), "classes": [(1, 1)]}),
        cache.key(content="a", settings={"spacing": (1.0, None), "classes": [(2, 1)]}),
        cache.key(content="a", settings={}),
    ]
    assert len({key, *others}) == 5


# ---------------------------------------------------------------- quota


def limited(tmp_path: Path, entries: float) -> VolumeCache:
    """A cache whose quota is that many entries of ARRAY (8128 bytes and a small meta file)."""
    return VolumeCache(CacheSettings(folder=str(tmp_path / "cache"), quota_gb=entries * 8170 / 1e9))


def test_entries_unused_for_longest_go_first(tmp_path: Path) -> None:
    cache = limited(tmp_path, 2.5)
    for number, key in enumerate("abcde"):
        cache.store(key, arrays={"image": ARRAY}, meta={})
        age(cache, key, seconds=100 - number)
    assert cache.find("a") is not None  # now the one used last
    assert cache.enforce_quota(keep=()) == 3
    assert names(cache) == {"a", "e"}


def test_entries_in_use_stay_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = limited(tmp_path, 1.5)
    for number, key in enumerate("abcd"):
        cache.store(key, arrays={"image": ARRAY}, meta={})
        age(cache, key, seconds=100 - number)
    assert cache.enforce_quota(keep={"a", "b"}) == 2
    assert names(cache) == {"a", "b"}
    assert "above the quota" in caplog.text


def test_nothing_goes_within_the_quota(tmp_path: Path) -> None:
    cache = limited(tmp_path, 2)
    for key in "ab":
        cache.store(key, arrays={"image": ARRAY}, meta={})
    assert cache.enforce_quota(keep=()) == 0
    assert names(cache) == {"a", "b"}


def test_an_entry_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    cache = limited(tmp_path, 0.5)
    partial = cache.folder / "volumes" / ".partial-x"
    partial.mkdir()
    (partial / "image.npy").write_bytes(bytes(10_000))
    assert cache.enforce_quota(keep=()) == 0
    assert partial.is_dir()


# ---------------------------------------------------------------- hashes


def test_hashes_are_sha256_and_follow_the_file(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hashes.of(file) == hashes.of(file) == known
    assert len(list((tmp_path / "hashes").iterdir())) == 1
    file.write_bytes(b"abcd")
    assert hashes.of(file) != known
    with pytest.raises(FileNotFoundError):
        hashes.of(tmp_path / "none")


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    os.utime(file, ns=(5, 5))
    first = hashes.of(file)
    # Same size and time, other bytes: whoever does not read cannot notice.
    file.write_bytes(b"abd")
    os.utime(file, ns=(5, 5))
    assert hashes.of(file) == first


def test_several_files_have_one_hash_whatever_their_order_and_place(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name, content in (("a", b"abc"), ("b", b"abd")):
            (tmp_path / folder / name).write_bytes(content)
    one = [("", tmp_path / "one" / name) for name in "ab"]
    two = [("", tmp_path / "two" / name) for name in "ba"]
    assert hashes.of_all(one) == hashes.of_all(two)
    assert len(list((tmp_path / "hashes").iterdir())) == 2  # one for each set, not for each file
    named = [(path.name, path) for _, path in one]
    swapped = [("b", one[0][1]), ("a", one[1][1])]
    assert len({hashes.of_all(files) for files in (one, one[:1], named, swapped)}) == 4
    before = hashes.of_all(one)
    one[1][1].write_bytes(b"abde")
    assert hashes.of_all(one) != before
    with pytest.raises(FileNotFoundError):
        hashes.of_all([("", tmp_path / "none")])


def test_a_file_longer_than_one_chunk(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes")
    (tmp_path / "f").write_bytes(b"a" * 3_000_000)
    (tmp_path / "g").write_bytes(b"a" * 2_999_999 + b"b")
    assert hashes.of(tmp_path / "f") != hashes.of(tmp_path / "g")


@pytest.mark.parametrize("damage", ["meta", "short", "gone"])
def test_a_damaged_entry_counts_as_missing_and_is_removed(tmp_path: Path, damage: str) -> None:
    cache = VolumeCache(CacheSettings(folder=str(tmp_path)))
    entry = cache.store("key", arrays={"image": np.arange(9.0)}, meta={})
    if damage == "meta":
        (entry.folder / "meta.json").write_text("{")
    elif damage == "short":
        content = (entry.folder / "image.npy").read_bytes()
        (entry.folder / "image.npy").write_bytes(content[:-8])
    else:
        (entry.folder / "image.npy").unlink()
    assert cache.find("key") is None
    assert not entry.folder.exists()


def test_an_unusable_cache_folder_is_refused_naming_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cache.folder.*file"):
        VolumeCache(CacheSettings(folder=str(tmp_path / "file")))


def test_no_file_is_open_to_others_even_where_the_folder_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "volumes").mkdir(parents=True)
    for folder in (shared, shared / "volumes"):
        folder.chmod(0o755)
    before = os.umask(0o000)
    try:
        cache = VolumeCache(CacheSettings(folder=str(shared)))
        cache.lease().close()
        cache.store(
            cache.key(content="a", settings={}), arrays={"image": np.zeros(3)}, meta={"a": 1}
        )
        (tmp_path / "scan").write_bytes(b"voxels")
        cache.hashes.of(tmp_path / "scan")
    finally:
        os.umask(before)
    found = {path.relative_to(shared).as_posix(): path.stat() for path in shared.rglob("*")}
    assert len(found) >= 7
    for name, status in found.items():
        assert stat.S_IMODE(status.st_mode) & 0o077 == 0, name
