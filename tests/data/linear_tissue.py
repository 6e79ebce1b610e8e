"""The same box of tissue in files of any orientation, with the voxels it must become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from site_files import make_site, save

from fedgin.settings import make_settings
from fedgin.sites.lookup import Site

OWN_SPACING = make_settings(task="heart", spacing=[None, None, None])
LABELS = {"heart": [3, 9], "aorta": 4}
PATTERNS = {"kind": "glob", "images": "im/*.nii.gz", "labels": "la/*.nii.gz"}
ORIENTATIONS = ["RAS", "LPS", "SAL", "PIR", "ASR", "ILA"]
LOW = np.array([-30.0, -20.0, 50.0])  # world position of the first voxel's centre
STEP = np.array([2.0, 2.5, 3.0])
COUNT = np.array([16, 12, 10])


def hu(points: np.ndarray) -> np.ndarray:
    """A CT that is linear in the world: air at one end, bone at the other."""
    x, y, z = np.moveaxis(points, -1, 0)
    return 16.0 * x + 3.0 * y + 2.0 * (z - 60) - 100


def structures(points: np.ndarray) -> np.ndarray:
    """Label values: two parts of a heart, an aorta and background."""
    x, y, z = np.moveaxis(points, -1, 0)
    label = np.where(x > -10, 3, 0)
    label = np.where((x > -10) & (y > -5), 9, label)
    return np.where(z > 70, 4, label).astype(np.uint8)


def classes(points: np.ndarray) -> np.ndarray:
    x, _, z = np.moveaxis(points, -1, 0)
    return ((x > -10) & (z <= 70)).astype(np.uint8)


def window(values: np.ndarray) -> np.ndarray:
    return 2 * (np.clip(values, -200, 500) + 200) / 700 - 1


def storage(codes: str) -> tuple[np.ndarray, np.ndarray]:
    """Affine and world points of the same box of tissue, stored in an orientation."""
    axes = [next(n for n, pair in enumerate(("LR", "PA", "IS")) if c in pair) for c in codes]
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[:3, 3] = LOW
    for column, (axis, code) in enumerate(zip(axes, codes, strict=True)):
        sign = 1 if code in "RAS" else -1
        affine[axis, column] = sign * STEP[axis]
        if sign < 0:
            affine[axis, 3] = LOW[axis] + (COUNT[axis] - 1) * STEP[axis]
    shape = [COUNT[axis] for axis in axes]
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return affine, index @ affine[:3, :3].T + affine[:3, 3]


def world_zyx(step: np.ndarray = STEP, count: np.ndarray = COUNT) -> np.ndarray:
    """World points on the prepared grid, shape (Z, Y, X, 3): all axes rising."""
    first = LOW - STEP / 2 + step / 2
    x, y, z = (first[n] + step[n] * np.arange(count[n]) for n in range(3))
    return np.stack(np.meshgrid(z, y, x, indexing="ij"), axis=-1)[..., ::-1]


def write_case(root: Path, name: str, codes: str = "RAS") -> None:
    affine, points = storage(codes)
    assert "".join(nib.aff2axcodes(affine)) == codes
    save(root / "im" / f"{name}.nii.gz", hu(points).astype(np.float32), affine)
    save(root / "la" / f"{name}.nii.gz", structures(points), affine)


def hospital(tmp_path: Path, **values: Any) -> Site:
    dataset = {"root": str(tmp_path), **PATTERNS}
    return make_site(tmp_path, **{"dataset": dataset, "labels": LABELS, **values})
