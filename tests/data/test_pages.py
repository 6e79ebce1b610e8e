"""Volumes that were read leave the process's memory."""

from __future__ import annotations

import mmap
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from fedgin.data.pages import give_back_pages

SIZE = 8 * 2**20


def resident(file: Path) -> int:
    """Bytes of a mapped file that this process holds."""
    text = Path("/proc/self/smaps").read_text()
    block = text[text.index(str(file)) :]
    found = re.search(r"^Rss:\s+(\d+) kB", block, re.MULTILINE)
    assert found
    return int(found.group(1)) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")
def test_pages_of_a_mapped_array_are_given_back_and_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "volume.npy"
    np.save(file, np.arange(SIZE, dtype=np.uint8).reshape(8, -1))
    array = np.load(file, mmap_mode="r")
    total = int(array.sum(dtype=np.int64))
    assert resident(file) >= SIZE
    give_back_pages(array[2:4])  # a part stands for its whole file
    assert resident(file) < 16 * mmap.PAGESIZE
    assert int(array.sum(dtype=np.int64)) == total


def test_other_arrays_stay_as_they_are() -> None:
    array = np.arange(10)
    give_back_pages(array, array[2:])
    assert array.tolist() == list(range(10))
