"""Arrays that wait on disk and are read one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


class SpooledArrays(Mapping[str, np.ndarray]):
    """Arrays in a file, by name; each is read anew when it is asked for."""

    def __init__(self, file: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes the arrays.

        Args:
            file: File to make; whoever names it removes it.
            arrays: Numeric arrays.

        Raises:
            OSError: The file cannot be written.
        """
        self._file = file
        # Numbers as names in the file: an array may have any name.
        self._places = {name: str(place) for place, name in enumerate(arrays)}
        numbered: dict[str, Any] = {
            self._places[name]: np.asarray(array) for name, array in arrays.items()
        }
        np.savez(file, **numbered)

    def __getitem__(self, name: str) -> np.ndarray:
        """Reads an array."""
        with np.load(self._file, allow_pickle=False) as content:
            array: np.ndarray = content[self._places[name]]
        return array

    def __iter__(self) -> Iterator[str]:
        """Lists the names in the order given."""
        return iter(self._places)

    def __len__(self) -> int:
        """Counts the arrays."""
        return len(self._places)
