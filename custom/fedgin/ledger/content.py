"""Measuring what a message holds: bytes, arrays, values and their norm."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PLAIN_BYTES = 8
"""Bytes that a number, a truth value or nothing counts for."""


@dataclass
class Content:
    """What a message holds.

    Attributes:
        bytes: Size of its arrays and texts, and 8 for every other plain value.
        arrays: Number of arrays.
        values: Number of numbers in them.
        squares: Sum of the squares of all floating point numbers in arrays, in float64.
        uncounted: Objects whose size is not known, by type; they add nothing to the above.
    """

    bytes: int = 0
    arrays: int = 0
    values: int = 0
    squares: float = 0.0
    uncounted: dict[str, int] = field(default_factory=dict)

    @property
    def norm(self) -> float | None:
        """L2 norm over all floating point arrays; None where there is none or it is not finite."""
        norm = math.sqrt(self.squares) if self.squares >= 0 else math.nan
        return norm if self.arrays and math.isfinite(norm) else None

    @property
    def finite(self) -> bool:
        """Whether all floating point numbers in arrays are finite."""
        return math.isfinite(self.squares)


def measure(value: Any, *, unpack: Callable[[Any], Any] = lambda found: found) -> Content:
    """Measures a message, however deep it is.

    Args:
        value: Mappings, sequences, arrays and plain values.
        unpack: Turns an object of another kind into these, where it can; else returns it as it is.
    """
    content = Content()
    # A list of what is still to be seen instead of recursion: depth is the sender's choice. What
    # lies within itself is seen once, what lies in two places twice, as it is sent.
    waiting: list[tuple[Any, bool]] = [(value, False)]
    around: dict[int, Any] = {}
    while waiting:
        item, seen = waiting.pop()
        if seen:
            del around[id(item)]
            continue
        item = unpack(item)
        if not isinstance(item, (Mapping, list, tuple, set, frozenset)):
            _add(content, item)
        elif id(item) not in around:
            around[id(item)] = item
            parts = [*item.keys(), *item.values()] if isinstance(item, Mapping) else item
            waiting += [(item, True), *((part, False) for part in parts)]
    return content


def _add(content: Content, item: Any) -> None:
    if isinstance(item, str):
        content.bytes += len(item.encode("utf-8", "surrogatepass"))
    elif isinstance(item, (bytes, bytearray, memoryview)):
        content.bytes += memoryview(item).nbytes
    elif item is None or (isinstance(item, numbers.Number) and not isinstance(item, np.generic)):
        content.bytes += PLAIN_BYTES
    elif (array := _as_array(item)) is not None:
        content.bytes += array.nbytes
        content.arrays += 1
        content.values += array.size
        if array.dtype.kind in "fc":
            with np.errstate(over="ignore", invalid="ignore"):
                content.squares += float(np.square(np.abs(array), dtype=np.float64).sum())
    else:
        name = f"{type(item).__module__}.{type(item).__qualname__}"
        content.uncounted[name] = content.uncounted.get(name, 0) + 1


def _as_array(item: Any) -> np.ndarray | None:
    """Returns an array or a tensor as an array, or None for anything else."""
    if isinstance(item, (np.ndarray, np.generic)):
        array = np.asarray(item)
        return None if array.dtype.hasobject else array
    if type(item).__module__.split(".")[0] != "torch" or not hasattr(item, "detach"):
        return None
    tensor = item.detach().cpu()
    # numpy has no bfloat16.
    return np.asarray(tensor if str(tensor.dtype) != "torch.bfloat16" else tensor.float())
