"""Released models of each kind of network, small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgin.export.model import ExportModel, read_model
from fedgin.settings import make_settings
from released_models import release_into

# The first patch is larger than a scan of `scans` along y and smaller along x.
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"channels": [4, 8, 16], "patch_size": [64, 16]},
    "batch": {"channels": [4, 8], "patch_size": [32, 32], "normalization": "batch"},
    "dynunet": {
        "channels": [4, 8, 16],
        "patch_size": [32, 32],
        "network": "dynunet",
        "task": "abdomen",
    },
    "unet 3D": {"channels": [4, 8], "patch_size": [16, 16, 32], "spatial_dims": 3},
    # Thick slices, along which it is halved later, and heads that only training uses.
    "thick slices": {
        "channels": [2, 4, 8],
        "patch_size": [16, 32, 32],
        "spatial_dims": 3,
        "spacing": [5.0, 5.0, 10.0],
        "network": "dynunet",
        "deep_supervision": True,
    },
    "dynunet 3D": {
        "channels": [2, 4, 8],
        "patch_size": [16, 32, 16],
        "spatial_dims": 3,
        "network": "dynunet",
        "normalization": "batch",
    },
}


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a released model by the name of its network."""
    root = tmp_path_factory.mktemp("releases")

    def folder(name: str) -> Path:
        path = root / name.replace(" ", "_")
        if not path.exists():
            flat = NETWORKS[name].get("spatial_dims", 2) == 2
            spacing = [5.0, 5.0, None] if flat else [5.0, 5.0, 5.0]
            values = {"task": "heart", "spacing": spacing, **NETWORKS[name]}
            release_into(path, make_settings(**values))
        return path

    return folder


@pytest.fixture(scope="session")
def load_model(release: Callable[[str], Path]) -> Callable[[str], ExportModel]:
    """Reads such a model."""
    return lambda name: read_model(release(name))


@pytest.fixture(scope="session")
def unet(load_model: Callable[[str], ExportModel]) -> ExportModel:
    """The model of a small 2D U-Net."""
    return load_model("unet")
