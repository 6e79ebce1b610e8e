"""Where a round's updates wait: in memory up to a limit, on disk above it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fedgin.engine.spool import SpooledArrays

Arrays = Mapping[str, np.ndarray]


class HeldUpdates:
    """Holds arrays until the round closes."""

    def __init__(self, limit_bytes: float) -> None:
        """Sets how many bytes may wait in memory; further updates wait in a file each."""
        self._limit = limit_bytes
        self._held, self._spooled = 0, 0
        self._spool: Path | None = None

    def keep(self, update: Arrays, folder: Path) -> tuple[Callable[[], Arrays], int]:
        """Takes an update.

        Args:
            update: Numeric arrays.
            folder: The run's folder, in which a folder for files is made when the first is needed.

        Returns:
            A function that returns the arrays, from disk one at a time; and the bytes on disk.

        Raises:
            OSError: The disk is full or the folder cannot be written.
        """
        size = sum(array.nbytes for array in update.values())
        if self._held + size <= self._limit:
            self._held += size
            return lambda: update, 0
        if self._spool is None:
            self._spool = Path(tempfile.mkdtemp(prefix="spool-", dir=folder))
        spooled = SpooledArrays(self._spool / f"{self._spooled}.npz", update)
        self._spooled += 1
        return lambda: spooled, size

    def clear(self) -> None:
        """Forgets everything and removes the files."""
        self._held, self._spooled = 0, 0
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None
