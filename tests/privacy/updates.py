"""Updates that the tests of privacy share."""

from __future__ import annotations

import numpy as np


def an_update(seed: int = 0, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Makes three float32 arrays, one of them without dimensions."""
    generator = np.random.default_rng(seed)
    return {
        "conv.weight": (scale * generator.normal(size=(4, 3, 3))).astype(np.float32),
        "conv.bias": (scale * generator.normal(size=4)).astype(np.float32),
        "scale": np.asarray(scale * generator.normal(), dtype=np.float32),
    }


def flat(update: dict[str, np.ndarray]) -> np.ndarray:
    """Returns all values in float64, shape (n,)."""
    return np.concatenate([np.ravel(array).astype(np.float64) for array in update.values()])
