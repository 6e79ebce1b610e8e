"""Averaging ciphertexts on a server that cannot read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fedgin.encryption.backend import load_tenseal

Sealed = Mapping[str, np.ndarray]
"""Serialized ciphertexts by name, as bytes in arrays of uint8."""


def as_array(ciphertext: bytes) -> np.ndarray:
    """Wraps a serialized ciphertext, so that it can be kept and stored as any array."""
    return np.frombuffer(ciphertext, dtype=np.uint8)


def read_vector(context: Any, ciphertext: bytes, *, size: int) -> Any:
    """Reads a serialized ciphertext.

    Args:
        context: tenseal's context, with or without the secret key.
        ciphertext: From a `CKKSVector`.
        size: Numbers that it must hold.

    Returns:
        The `CKKSVector`.

    Raises:
        ValueError: It is no ciphertext of the context's parameters, or holds another number.
    """
    try:
        vector = load_tenseal().ckks_vector_from(context, ciphertext)
    except (ValueError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise ValueError(f"no ciphertext of this federation's keys ({reason})") from None
    if vector.size() != size:
        raise ValueError(f"a ciphertext of {vector.size()} numbers, not {size}")
    return vector


def average_ciphertexts(
    contributions: Mapping[str, Callable[[], Sealed]],
    *,
    shares: Mapping[str, float],
    sizes: Mapping[str, int],
    context: Any,
) -> dict[str, Any]:
    """Computes sum_k s_k E(d_k), in the order of the sites' names.

    One multiplication of a ciphertext by a plain number, as many as the parameters allow.

    Args:
        contributions: By site name a function that returns its ciphertexts.
        shares: By site name its share; they sum to 1.
        sizes: Numbers by name of the ciphertexts.
        context: The server's context.

    Returns:
        A `CKKSVector` by name.

    Raises:
        ValueError: There is no contribution, or one is no ciphertext.
    """
    if not contributions:
        raise ValueError("there is nothing to average")
    total: dict[str, Any] = {}
    for site in sorted(contributions):
        sealed = contributions[site]()
        for name, size in sizes.items():
            vector = read_vector(context, sealed[name].tobytes(), size=size) * shares[site]
            total[name] = vector if name not in total else total[name] + vector
    return total
