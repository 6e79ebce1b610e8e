"""Nested values with tensors in a safetensors file, in which nothing can be code.

The tensors are numbered; the values around them stand as JSON in the file's metadata. Written here,
piece by piece, so that no second copy of a model is held; read by the safetensors library, which
checks that the header is sound and that the tensors fill the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open

from fedgin.documents import RECORD, parse_json
from fedgin.files import open_regular

_TREE = "fedgin"
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


def write_tree(file: IO[bytes], tree: Any) -> None:
    """Writes nested dicts, lists and tuples of tensors and plain values.

    Args:
        file: A binary file, open for writing.
        tree: The values; keys of dicts are texts or whole numbers.

    Raises:
        TypeError: A value is of another type; nothing was written.
    """
    tensors: list[torch.Tensor] = []
    text = json.dumps(_encoded(tree, tensors), allow_nan=False)
    header: dict[str, Any] = {"__metadata__": {_TREE: text}}
    start = 0
    for number, tensor in enumerate(tensors):
        stop = start + tensor.numel() * tensor.element_size()
        entry = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape)}
        header[str(number)] = {**entry, "data_offsets": [start, stop]}
        start = stop
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % _ALIGNMENT)
    file.write(len(content).to_bytes(8, "little") + content)
    for tensor in tensors:
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        file.write(flat.view(torch.uint8).numpy().data)


def read_tree(path: Path, *, device: torch.device | str = "cpu") -> Any:
    """Reads what `write_tree` wrote.

    Raises:
        OSError: The file cannot be read, or is no regular file.
        ValueError: It is damaged, or was not written by `write_tree`.
    """
    open_regular(path).close()
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tree = parse_json(metadata[_TREE], bounds=RECORD)
            tensors = _Tensors(file)
            decoded = _decoded(tree, tensors)
            tensors.check_all_used()
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"no sound safetensors file of ours ({error})"[:300]) from None
    return decoded


class _Tensors:
    """The tensors of an open file, each of which stands in one place only."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = set(file.keys())

    def take(self, name: Any) -> torch.Tensor:
        self._left.remove(name)
        tensor: torch.Tensor = self._file.get_tensor(name)
        return tensor

    def check_all_used(self) -> None:
        if self._left:
            raise ValueError(f"{len(self._left)} tensors that nothing refers to")


def _encoded(value: Any, tensors: list[torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        if value.dtype not in _NAMES or value.layout != torch.strided:
            raise TypeError(f"a tensor of {value.dtype}, {value.layout} cannot be kept")
        tensors.append(value)
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(value, dict):
        pairs = [[_key(key), _encoded(below, tensors)] for key, below in value.items()]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encoded(below, tensors) for below in value]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"a value of {type(value).__name__} cannot be kept")


def _key(key: Any) -> str | int:
    if type(key) in (str, int):
        return key
    raise TypeError(f"a key of {type(key).__name__} cannot be kept")


def _decoded(value: Any, tensors: _Tensors) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise TypeError("a list without a kind")
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors.take(content)
    if kind == "dict":
        return dict(_pairs(content, tensors))
    if kind in ("list", "tuple"):
        below = [_decoded(item, tensors) for item in content]
        return below if kind == "list" else tuple(below)
    if kind == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    raise TypeError("a value of unknown kind")


def _pairs(content: Any, tensors: _Tensors) -> Iterator[tuple[str | int, Any]]:
    for key, value in content:
        yield _key(key), _decoded(value, tensors)
