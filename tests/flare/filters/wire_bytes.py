"""The bytes in which FLARE would send an answer, and the search for what must not be in them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from nvflare.apis.shareable import Shareable
from nvflare.apis.utils.decomposers import flare_decomposers
from nvflare.app_common.decomposers import common_decomposers
from nvflare.fuel.utils import fobs

PIECE = 8
"""Bytes of two neighbouring float32 values: enough to tell them from chance in a few kilobytes."""


def wire_bytes(answer: Shareable) -> bytes:
    """Serialises an answer as FLARE does."""
    flare_decomposers.register()
    common_decomposers.register()
    content: bytes = fobs.dumps(answer)
    return content


def leaked(content: bytes, arrays: Iterable[np.ndarray], canary: str) -> list[str]:
    """Says what of raw arrays and a canary lies in bytes, in any of the types a value may take."""
    found = ["canary"] if canary.encode() in content else []
    for array in arrays:
        for kind in (np.float16, np.float32, np.float64):
            with np.errstate(over="ignore"):
                raw = np.asarray(array).astype(kind).tobytes()
            pieces = (raw[i : i + PIECE] for i in range(0, len(raw) - PIECE + 1, PIECE))
            # Zeros and the like are everywhere.
            if any(len(set(piece)) > 3 and piece in content for piece in pieces):
                found.append(f"values as {np.dtype(kind).name}")
    return found
