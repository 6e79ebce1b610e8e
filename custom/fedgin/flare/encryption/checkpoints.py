"""Checkpoints of an encrypted run: the same, but for weights that are ciphertext."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedgin.encryption.ciphertext import as_array
from fedgin.engine.weights import Weights
from fedgin.flare.checkpoints import CheckpointKeeper
from fedgin.flare.encryption.sealed_model import sealed_model


class EncryptedCheckpointKeeper(CheckpointKeeper):
    """Writes ciphertexts as bytes, in arrays of uint8.

    A job that goes on needs the kits whose keys made them: with others the sites decrypt noise,
    and refuse it.
    """

    def _arrays(self, weights: Mapping[str, Any]) -> Weights:
        return {name: _array(value) for name, value in weights.items()}

    def _model_content(self, weights: Weights) -> dict[str, Any]:
        return sealed_model(weights)


def _array(value: Any) -> np.ndarray:
    if isinstance(value, bytes):
        return as_array(value).copy()
    if hasattr(value, "serialize"):
        return as_array(value.serialize()).copy()
    return np.asarray(value)
