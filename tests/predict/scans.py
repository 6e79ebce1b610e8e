"""Models and scans for the tests of prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch import nn

from fedgin.engine.windows import WindowBatch
from fedgin.networks import build_network
from fedgin.predict.inputs import Input
from fedgin.predict.model import LoadedModel
from fedgin.settings import ResolvedSettings, make_settings
from released_models import make_release

CPU = torch.device("cpu")
PATCH = {2: [32, 32], 3: [16, 32, 32]}


class Bands(nn.Module):
    """Class k where the image is near centre k: what it says of a voxel is plain to see."""

    def __init__(self, *centres: float) -> None:
        super().__init__()
        self.centres = torch.tensor(centres)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        centres = self.centres.reshape(1, -1, *[1] * (images.dim() - 2))
        return -8 * (images - centres) ** 2


def tiny_settings(task: str = "heart", dims: int = 2, **more: Any) -> ResolvedSettings:
    return make_settings(
        **{
            "task": task,
            "spatial_dims": dims,
            "patch_size": PATCH[dims],
            "channels": [4, 8],
            "spacing": [4.0, 4.0, None if dims == 2 else 4.0],
            **more,
        }
    )


def make_model(
    settings: ResolvedSettings | None = None, network: nn.Module | None = None
) -> LoadedModel:
    """A model as `load_model` gives it; by default its network has initial weights."""
    settings = settings or tiny_settings()
    _, card = make_release(settings)
    return LoadedModel(
        name="test",
        card=card,
        settings=settings,
        network=(network or build_network(settings)).eval(),
        device=CPU,
        windows=WindowBatch(settings.training.window_batch),
    )


def ct_blob(shape: tuple[int, int, int] = (30, 28, 12), seed: int = 0) -> np.ndarray:
    """A CT of soft tissue with air around it, in HU; no axis is like another."""
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    distance = np.sqrt(((places - np.array([0.1, -0.2, 0.05])[:, None, None, None]) ** 2).sum(0))
    noise = np.random.default_rng(seed).normal(0, 12, shape)
    organ = 120.0 * (((places[0] - 0.3) ** 2 + places[1] ** 2 + places[2] ** 2) < 0.1)
    values = np.where(distance < 0.85, 40 + organ, -1000) + noise
    return values.round().astype(np.int16)


def save_scan(
    path: Path, array: np.ndarray, affine: np.ndarray | None = None, **fields: Any
) -> Path:
    """Writes a NIfTI file as nibabel does; `fields` are forced into the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag([2.0, 2.0, 5.0, 1.0]) if affine is None else affine)
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def scan_of(path: Path) -> Input:
    return Input(path.name.split(".")[0], path, "nifti")


def turned(axes: tuple[float, float, float] = (0.0, 0.0, 0.3), spacing: Any = (2, 2, 5)) -> Any:
    """An oblique affine: rotations about x, y and z in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(axes):
        one, two = (other for other in range(3) if other != axis)
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    affine = np.eye(4)
    affine[:3, :3] = matrix * np.asarray(spacing, dtype=float)
    affine[:3, 3] = (-31.5, 12.25, 7.0)
    return affine
