"""Prepared volumes on disk: memory-mapped, keyed by content and settings, written atomically."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from fedgin.confined import confined_path
from fedgin.data.hashing import FileHashes
from fedgin.documents import CONFIGURATION, parse_json
from fedgin.errors import ConfigError, FedginError, Problem
from fedgin.files import read_bounded
from fedgin.sites.folders import CacheSettings

logger = logging.getLogger(__name__)

META_FILE = "meta.json"
VOLUMES_FOLDER, HASHES_FOLDER, LEASE_FILE = "volumes", "hashes", "in_use"
ABANDONED_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class CacheEntry:
    """One prepared volume: named arrays and a few facts.

    Attributes:
        folder: Folder of the entry.
        meta: Plain facts about the volume.
    """

    folder: Path
    meta: Mapping[str, Any]

    def array(self, name: str) -> np.ndarray:
        """Opens an array, read-only and memory-mapped: its pages count only while in use."""
        where = f"{self.folder}: '{META_FILE}'"
        file = confined_path(self.folder, f"{name}.npy", where=where)
        return np.load(file, mmap_mode="r", allow_pickle=False)


class VolumeCache:
    """A folder of entries, private to the user, with a quota."""

    def __init__(self, settings: CacheSettings) -> None:
        """Opens the cache; folders are made with mode 0700."""
        self.folder = cache_folder(settings)
        self.quota_bytes = int(settings.quota_gb * 1e9)
        self._entries = self.folder / VOLUMES_FOLDER
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._entries.mkdir(mode=0o700, exist_ok=True)
            if stat.S_IMODE(self._entries.stat().st_mode) != 0o700:
                self._entries.chmod(0o700)  # the folder around it may be open to others
        except OSError as error:
            raise ConfigError(
                Problem(
                    "key 'cache.folder'",
                    "the cache folder must be a folder that can be written",
                    f"'{self.folder}' ({error.strerror})",
                    "name another folder in the site's file, or correct its permissions",
                )
            ) from None
        self.hashes = FileHashes(self.folder / HASHES_FOLDER)

    def key(self, *, content: str, settings: Mapping[str, Any]) -> str:
        """Derives an entry's name from what the voxels are and how they are prepared."""
        text = json.dumps({"content": content, "settings": settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def lease(self) -> IO[bytes]:
        """Marks the cache as in use; see `lock_for_removal`.

        Returns:
            A file; the cache is in use until it is closed, which the end of the process does too.
        """
        file = _open_private(self.folder / LEASE_FILE, new=False)
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    def find(self, key: str) -> CacheEntry | None:
        """Opens an entry and marks it as used, or returns None."""
        folder = self._entries / key
        if not folder.exists():
            return None
        try:
            content = parse_json(read_bounded(folder / META_FILE, limit=CONFIGURATION.size))
            entry = CacheEntry(folder=folder, meta=content["meta"])
            for name in content["arrays"]:
                entry.array(name)
        except (OSError, ValueError, KeyError, TypeError, FedginError) as error:
            logger.warning("cache entry %s is damaged (%s) and is made again", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        os.utime(folder / META_FILE)
        return entry

    def store(
        self, key: str, *, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]
    ) -> CacheEntry:
        """Writes an entry beside its place and renames it when it is whole.

        Raises:
            OSError: The disk is full; nothing half-written stays.
        """
        target = self._entries / key
        temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._entries))
        try:
            for name, array in arrays.items():
                with _open_private(temporary / f"{name}.npy") as file:
                    np.save(file, array, allow_pickle=False)
            content = {"meta": dict(meta), "arrays": sorted(arrays)}
            with _open_private(temporary / META_FILE) as file:
                file.write(json.dumps(content).encode())
            try:
                temporary.rename(target)
            except OSError:
                if not (target / META_FILE).is_file():
                    raise
                # Another process wrote the same entry meanwhile: same key, same content.
                shutil.rmtree(temporary, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return CacheEntry(folder=target, meta=dict(meta))

    def enforce_quota(self, *, keep: Collection[str]) -> int:
        """Removes the entries unused for longest until the quota holds.

        Args:
            keep: Keys in use now, which stay even above the quota.

        Returns:
            Number of entries removed.
        """
        used = []
        for folder in self._entries.iterdir():
            if folder.name.startswith("."):
                self._remove_abandoned(folder)
                continue
            try:
                size = sum(file.stat().st_size for file in folder.iterdir())
                used.append(((folder / META_FILE).stat().st_mtime, size, folder))
            except FileNotFoundError:
                continue  # another process is removing it
        total = sum(size for _, size, _ in used)
        removed = 0
        for _, size, folder in sorted(used, key=lambda item: item[0]):
            if total <= self.quota_bytes:
                break
            if folder.name in keep:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
            removed += 1
        if removed:
            logger.info("cache %s: %d unused volumes removed for the quota", self.folder, removed)
        if total > self.quota_bytes:
            logger.warning(
                "cache %s: %.2f GB are in use now, above the quota of %.2f GB",
                self.folder,
                total / 1e9,
                self.quota_bytes / 1e9,
            )
        return removed

    @staticmethod
    def _remove_abandoned(folder: Path) -> None:
        """Removes what a killed process left half-written; a younger one may still be writing."""
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:
            return
        if age > ABANDONED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def cache_folder(settings: CacheSettings) -> Path:
    """Returns the folder of a cache; by default one in the user's folder for such files."""
    if settings.folder:
        return Path(settings.folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fedgin"


def lock_for_removal(folder: Path) -> IO[bytes] | None:
    """Locks a cache so that no run begins to use it.

    Args:
        folder: Folder of the cache.

    Returns:
        A file to close when the removal is over; None where a run on this machine uses the cache.
    """
    file = _open_private(folder / LEASE_FILE, new=False)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _open_private(path: Path, *, new: bool = True) -> IO[bytes]:
    """Opens a file to write to that its owner alone may read; `new`: one that is not there yet."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (os.O_EXCL if new else 0)
    return os.fdopen(os.open(path, flags, 0o600), "r+b")
