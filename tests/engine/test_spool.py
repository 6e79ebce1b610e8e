"""Arrays on disk are those that were given, under any name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedgin.engine.spool import SpooledArrays


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    arrays = {
        "file": np.arange(6, dtype=np.float32).reshape(2, 3),
        "../up": np.asarray(7.0, np.float32),
        "a/b.weight": np.zeros((0, 4), np.float32),
        "": np.array([np.float32(1e-45)]),
    }
    spooled = SpooledArrays(tmp_path / "1.npz", arrays)
    assert list(spooled) == list(arrays)
    assert len(spooled) == 4
    for name, array in arrays.items():
        assert spooled[name].dtype == array.dtype
        assert spooled[name].shape == array.shape
        assert spooled[name].tobytes() == array.tobytes()
    assert [file.name for file in tmp_path.iterdir()] == ["1.npz"]
    with pytest.raises(KeyError):
        spooled["0"]


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", **{"0": np.array([object()], dtype=object)})  # type: ignore[arg-type]
    spooled = SpooledArrays(tmp_path / "2.npz", {"w": np.ones(1)})
    (tmp_path / "1.npz").replace(tmp_path / "2.npz")
    with pytest.raises(ValueError, match="allow_pickle"):
        spooled["w"]
