"""Made abdomens in NIfTI files, and the file of the site that has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import yaml

from fedgin.data.volume import LabelledVolume, Volume
from fedgin.sites.lookup import Site, load_site_file

SHAPE = (40, 30, 24)
SPACING = (8.0, 8.0, 10.0)
VOXEL_ML = 0.64
LABELS = {
    "liver": 1,
    "spleen": 2,
    "kidney_right": 3,
    "kidney_left": 4,
    "pancreas": 5,
    "gallbladder": 6,
}
# Boxes in voxels along right, front, head; x grows to the patient's right.
ORGANS = {
    1: ((24, 38), (9, 23), (10, 22)),  # 1505 ml
    2: ((3, 9), (6, 13), (13, 19)),  # 161 ml
    3: ((24, 30), (3, 9), (3, 10)),  # 161 ml
    4: ((8, 14), (3, 9), (4, 11)),  # 161 ml
    5: ((14, 22), (12, 16), (10, 14)),  # 82 ml
    6: ((25, 29), (18, 22), (6, 9)),  # 31 ml
}


def upright_affine(spacing: tuple[float, float, float] = SPACING) -> np.ndarray:
    """Axes to the right, the front and the head, the volume's middle near the origin."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-size * edge / 2 + 3 for size, edge in zip(SHAPE, spacing, strict=True)]
    return affine


def draw_labels(*, seed: int = 0, organs: Mapping[int, Any] = ORGANS) -> np.ndarray:
    """A label map, RAS; seeds differ by a voxel or so, as patients differ."""
    label = np.zeros(SHAPE, dtype=np.uint8)
    for value, box in organs.items():
        label[tuple(slice(*part) for part in box)] = value
    generator = np.random.default_rng(seed)
    label[24 + generator.integers(14), 9 + generator.integers(14), 10] = 0
    label[24 + generator.integers(14), 9 + generator.integers(14), 21] = 0
    return label


def draw_image(*, seed: int = 0, modality: str = "CT") -> np.ndarray:
    """Noise: HU with air for CT, magnitudes for MR."""
    generator = np.random.default_rng(1000 + seed)
    if modality == "MR":
        return generator.uniform(0, 900, SHAPE).astype(np.float32)
    return generator.integers(-1000, 300, SHAPE).astype(np.float32)


def make_pair(
    *,
    seed: int = 0,
    modality: str = "CT",
    spacing: tuple[float, float, float] = SPACING,
    organs: Mapping[int, Any] = ORGANS,
) -> LabelledVolume:
    """An abdomen as a case's reader would return it."""
    affine = upright_affine(spacing)
    return LabelledVolume(
        image=Volume(draw_image(seed=seed, modality=modality), affine),
        label=Volume(draw_labels(seed=seed, organs=organs), affine),
    )


def stored_as(volume: Volume, codes: str) -> Volume:
    """The same volume with its axes in another order, by nibabel."""
    image = nibabel.Nifti1Image(volume.array, volume.affine)
    here = nibabel.orientations.io_orientation(volume.affine)
    there = nibabel.orientations.axcodes2ornt(codes)
    turned = image.as_reoriented(nibabel.orientations.ornt_transform(here, there))
    assert "".join(nibabel.aff2axcodes(turned.affine)) == codes
    return Volume(np.asarray(turned.dataobj), turned.affine)


def write_pair(root: Path, name: str, pair: LabelledVolume) -> None:
    """Writes im/NAME.nii.gz and la/NAME.nii.gz."""
    for folder, volume in (("im", pair.image), ("la", pair.label)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        file = root / folder / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(volume.array, volume.affine), file)


def write_set(folder: Path, names: tuple[str, ...], *, modality: str = "CT", **values: Any) -> Site:
    """Writes sound cases, each another patient's, and the site's file; `values` change it."""
    for seed, name in enumerate(names):
        write_pair(folder / "data", name, make_pair(seed=seed, modality=modality))
    return write_site(folder, modality=modality, **values)


def write_site(folder: Path, **values: Any) -> Site:
    """Writes and reads the site's file hospital-a.yaml."""
    content = {
        "modality": "CT",
        "dataset": {
            "kind": "glob",
            "root": str(folder / "data"),
            "images": "im/*.nii.gz",
            "labels": "la/*.nii.gz",
        },
        "labels": LABELS,
        "cache": {"folder": str(folder / "cache")},
        "secret": {"folder": str(folder / "secret")},
        "device": "cpu",
        "threads": 1,
        **values,
    }
    file = folder / "hospital-a.yaml"
    file.write_text(yaml.safe_dump(content))
    return load_site_file(file)
