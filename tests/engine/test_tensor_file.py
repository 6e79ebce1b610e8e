"""Nested tensors in a safetensors file."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from fedgin.engine.tensor_file import read_tree, write_tree


def written(tree: Any, path: Path) -> Path:
    with path.open("wb") as file:
        write_tree(file, tree)
    return path


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    tree = {
        "list": [1, -2.5, None, True, "ü", (torch.ones(2, 3), [])],
        7: {"empty": torch.zeros(0, 4), "scalar": torch.tensor(3)},
        "infinite": [math.inf, -math.inf],
    }
    found = read_tree(written(tree, tmp_path / "a"))
    assert torch.equal(found["list"][5][0], torch.ones(2, 3))
    assert (found["list"][:5], found["list"][5][1]) == ([1, -2.5, None, True, "ü"], [])
    assert found[7]["empty"].shape == (0, 4)
    assert found[7]["scalar"].shape == () and found[7]["scalar"].item() == 3
    assert found["infinite"] == [math.inf, -math.inf]
    assert math.isnan(read_tree(written([math.nan], tmp_path / "b"))[0])


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
    ],
)
def test_every_type_is_what_the_safetensors_library_reads(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(dtype).T  # not contiguous
    path = written({"a": tensor, "b": tensor[0]}, tmp_path / "a")
    read = safetensors.torch.load(path.read_bytes())
    assert torch.equal(read["0"], tensor) and read["0"].dtype == dtype
    assert torch.equal(read_tree(path)["b"], tensor[0])


@pytest.mark.parametrize("value", [object(), {1.5: 1}, {None: 1}, {1, 2}, b"x", torch.ones(2) * 1j])
def test_other_values_are_refused_before_anything_is_written(value: Any) -> None:
    file = io.BytesIO()
    with pytest.raises(TypeError, match="cannot be kept"):
        write_tree(file, {"a": value})
    assert file.getvalue() == b""


def metadata(tree: Any) -> Callable[[bytes], bytes]:
    return lambda _: safetensors.torch.save(
        {"0": torch.ones(2)}, metadata={"fedgin": json.dumps(tree)}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:20],
        lambda _: b"",
        lambda content: (2**63).to_bytes(8, "little") + content[8:],
        lambda content: content.replace(b"[0, 8]", b"[0, 9]"),
        lambda _: safetensors.torch.save({"0": torch.ones(2)}),
        metadata([1]),
        metadata({"tensor": "1"}),
        metadata({"list": [{"tensor": "0"}, {"tensor": "0"}]}),
        metadata({"list": []}),
        metadata({"float": "1e9"}),
        metadata({"call": "os.system"}),
        metadata({"dict": [[["a"], 1]]}),
        metadata({"a": 1, "b": 2}),
        metadata({"list": 3}),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = written({"a": torch.ones(2)}, tmp_path / "a")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError):
        read_tree(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="Not a regular file"):
        read_tree(tmp_path / "a")
