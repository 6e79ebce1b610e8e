"""An encrypted model in the form in which FLARE's PyTorch persistor keeps one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from nvflare.apis.dxo import MetaKey
from nvflare.app_opt.he.constant import HE_ALGORITHM_CKKS


def sealed_model(vectors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Turns a checkpoint's vectors into a model file's content.

    Args:
        vectors: Serialized ciphertexts as arrays of uint8, or the initial model's plain vectors.
    """
    if not all(array.dtype == np.uint8 for array in vectors.values()):
        return {"model": {name: torch.from_numpy(array) for name, array in vectors.items()}}
    return {
        "model": {name: array.tobytes() for name, array in vectors.items()},
        "meta_props": {
            MetaKey.PROCESSED_ALGORITHM: HE_ALGORITHM_CKKS,
            MetaKey.PROCESSED_KEYS: dict.fromkeys(vectors, True),
        },
    }
