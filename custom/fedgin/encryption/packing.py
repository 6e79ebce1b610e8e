"""A network's arrays as a few long vectors: a ciphertext holds 4096 numbers, full or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedgin.encryption.contexts import LARGEST

BLOCK = 2**18
"""Numbers of a vector at most: 64 ciphertexts, about 15 MB."""


@dataclass(frozen=True)
class Layout:
    """The arrays of a network, in the order of their names.

    Attributes:
        shapes: Shape by name.
    """

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray]) -> Layout:
        """Reads the layout off a network's weights."""
        return cls({name: tuple(np.shape(weights[name])) for name in sorted(weights)})

    @property
    def numbers(self) -> int:
        """Numbers in all arrays."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def block_sizes(self) -> dict[str, int]:
        """Length by name of the vectors."""
        starts = range(0, self.numbers, BLOCK)
        return {
            f"block_{number:05d}": min(BLOCK, self.numbers - start)
            for number, start in enumerate(starts)
        }


def pack(weights: Mapping[str, np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Lays a network's arrays end to end and cuts them into vectors.

    Args:
        weights: Arrays of the layout's names and shapes.
        layout: The network's layout.

    Returns:
        Vectors in float32, named and sized as `Layout.block_sizes`.

    Raises:
        ValueError: Names or shapes are not the layout's.
    """
    found = {name: tuple(np.shape(array)) for name, array in weights.items()}
    if odd := sorted(dict(found.items() ^ layout.shapes.items())):
        raise ValueError(f"arrays that are not the network's: {odd[:3]}")
    parts = [np.asarray(weights[name], dtype=np.float32).ravel() for name in layout.shapes]
    whole = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    sizes = layout.block_sizes
    return dict(zip(sizes, np.split(whole, np.cumsum(list(sizes.values()))[:-1]), strict=True))


def unpack(blocks: Mapping[str, Any], layout: Layout) -> dict[str, np.ndarray]:
    """Undoes `pack`.

    Args:
        blocks: Vectors, as arrays or lists of numbers.
        layout: The network's layout.

    Returns:
        Arrays in float32.

    Raises:
        ValueError: Names or lengths are not the layout's, or a value is too large for a model: what
            another federation's key decrypts is noise of the modulus' size.
    """
    sizes = layout.block_sizes
    if odd := sorted(sizes.keys() ^ blocks.keys()):
        raise ValueError(f"vectors that are not the network's: {odd[:3]}")
    vectors = {name: np.asarray(blocks[name], dtype=np.float64) for name in sizes}
    for name, vector in vectors.items():
        if vector.shape != (sizes[name],):
            raise ValueError(f"{name} has shape {vector.shape}, not {(sizes[name],)}")
        if not (np.abs(vector) < LARGEST).all():  # false for nan
            raise ValueError(f"{name} has values that are not below {LARGEST:g}")
    whole = np.concatenate([*vectors.values(), np.zeros(0)]).astype(np.float32)
    ends = np.cumsum([math.prod(shape) for shape in layout.shapes.values()])
    parts = np.split(whole, ends[:-1])
    return {
        name: part.reshape(shape)
        for (name, shape), part in zip(layout.shapes.items(), parts, strict=True)
    }
