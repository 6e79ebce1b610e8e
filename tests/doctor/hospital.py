"""A hospital of a few small NIfTI files, one of whose patients has a name to look for."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import yaml

from fedgin.sites.folders import SecretSettings
from fedgin.sites.pseudonyms import kept_secret, patient_hash

CANARY = "Zwolle_Jan-19560229"
CANARY_PARTS = ("zwolle", "19560229")
OTHERS = ("p01", "p02", "p03")
AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
SHAPE = (24, 20, 12)


def hashed(name: str, *, site: str = "hospital-a") -> str:
    """The hash that stands for a name, as the site's own secret makes it."""
    return patient_hash(site, name, secret=kept_secret(site, SecretSettings()))


def patient_arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Makes a patient's image, in HU, and label map: a heart of 179 ml, unlike any other's."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    image = generator.uniform(-1000, 400, SHAPE).astype(np.float32)
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[4:20, 3:17, 1:11] = 1
    label[4 + generator.integers(16), 3 + generator.integers(14), 1] = 0
    return image, label


def write_volume(root: Path, name: str, **changes: Any) -> None:
    """Writes an image and a label map; `image` and `label` replace the arrays."""
    image, label = patient_arrays(name)
    for folder, array in (("im", image), ("la", label)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        chosen = changes.get({"im": "image", "la": "label"}[folder], array)
        nib.save(nib.Nifti1Image(chosen, AFFINE), root / folder / f"{name}.nii.gz")


def write_hospital(
    folder: Path, *, names: tuple[str, ...] = (CANARY, *OTHERS), **values: Any
) -> Path:
    """Writes volumes and the site's file, which is returned."""
    root = folder / "data"
    for name in names:
        write_volume(root, name)
    return write_site_file(folder, **values)


def write_site_file(folder: Path, **values: Any) -> Path:
    content = {
        "modality": "CT",
        "dataset": {
            "kind": "glob",
            "root": str(folder / "data"),
            "images": "im/*.nii.gz",
            "labels": "la/*.nii.gz",
        },
        "labels": {"heart": 1},
        "split": {"by": "fraction", "validation": 0.25, "test": 0.25},
        "cache": {"folder": str(folder / "cache")},
        "device": "cpu",
        "threads": 1,
        **values,
    }
    file = folder / "hospital-a.yaml"
    file.write_text(yaml.safe_dump(content))
    return file
