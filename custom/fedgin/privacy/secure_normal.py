"""Normal random numbers that nobody can foretell: keyed by the operating system, not by a seed."""

from __future__ import annotations

import math
import secrets
from typing import Protocol

import numpy as np

KEY_BYTES, NONCE_BYTES = 32, 16


class NormalSource(Protocol):
    """What noise is drawn from; a `numpy.random.Generator` is one, too."""

    def standard_normal(self, size: int) -> np.ndarray:
        """Returns `size` independent standard normal numbers, float64."""


class SecureNormal:
    """Standard normal numbers from the key stream of AES-256 in counter mode.

    Key and nonce come from the operating system, stay in this object and end with it. Two uniform
    numbers of 53 bits, u in (0, 1] and v in [0, 1), give two normal ones (Box and Muller 1958):

        sqrt(-2 ln u) cos(2 pi v) and sqrt(-2 ln u) sin(2 pi v),

    of at most 8.6 in size; beyond that lies less than 1e-17 of the distribution.
    """

    def __init__(self) -> None:
        """Draws the key."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor()

    def standard_normal(self, size: int) -> np.ndarray:
        """Returns `size` independent standard normal numbers, float64."""
        pairs = (size + 1) // 2
        stream = np.frombuffer(self._cipher.update(bytes(16 * pairs)), dtype="<u8")
        numbers = (stream >> np.uint64(11)).astype(np.float64)
        radius = np.sqrt(-2 * np.log((numbers[:pairs] + 1) * 2.0**-53))
        angle = numbers[pairs:] * (2 * math.pi * 2.0**-53)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]
