"""Files of torch.save, of FLARE's persistor and of models: read without code or surprises."""

from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from fedgin.errors import DataError, Problem
from fedgin.files import open_regular

MAX_ENTRIES = 100_000
_DAMAGED = (OSError, RuntimeError, ValueError, EOFError, LookupError, UnpicklingError, TypeError)


def load_torch(path: Path, *, device: torch.device | str = "cpu") -> Any:
    """Reads a file of `torch.save`; nothing but tensors and plain values is made.

    Memory is bounded by the size of the file: a compressed archive is refused, and so is a tensor
    that claims more than the file holds.

    Raises:
        DataError: The file is missing or damaged, or breaks a rule.
    """
    try:
        size = _check_archive(path)
        content = torch.load(path, map_location=device, weights_only=True)
        _check_size(content, size)
    except (*_DAMAGED, zipfile.BadZipFile, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:300]
        raise DataError(
            Problem(
                str(path),
                "a model is a whole file of torch with tensors and plain values",
                reason,
                "name another file, or repeat the run that wrote it",
            )
        ) from error
    return content


def _check_archive(path: Path) -> int:
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        size = file.seek(0, 2)
    if len(entries) > MAX_ENTRIES:
        raise ValueError(f"{len(entries)} entries in the archive")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("a compressed archive, which torch never writes")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("entries that are larger than the file")
    return size


def _check_size(content: Any, most: int) -> None:
    """Refuses tensors that repeat one value in place of storing it: a copy would be huge."""
    waiting, seen, total = [content], set(), 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            total += value.numel() * value.element_size()
            if value.layout != torch.strided or total > 2 * most:
                raise ValueError("tensors that are larger than the file")
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
