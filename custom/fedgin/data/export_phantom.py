"""Phantom cases as NIfTI files, with the datalist that describes them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np

from fedgin.data.phantom import PHANTOM_LABELS, phantom_case
from fedgin.data.phantom_folder import DATALIST, PHANTOM_NAME
from fedgin.data.volume import Volume
from fedgin.files import write_atomically


def export_phantoms(
    folder: Path, *, task: str, modality: str, protocol: str, seed: int, indices: Iterable[int]
) -> list[str]:
    """Writes cases as images/NAME.nii.gz, labels/NAME.nii.gz and dataset.json (MONAI/MSD form).

    Args:
        folder: Folder to write into; it is made.
        task: "heart" or "abdomen".
        modality: "CT" or "MR".
        protocol: Acquisition protocol of the modality.
        seed: Seed of the anatomies.
        indices: Numbers of the patients.

    Returns:
        Names of the cases.

    Raises:
        ConfigError: Task, modality or protocol is unknown.
    """
    names = []
    for index in indices:
        case = phantom_case(task=task, modality=modality, protocol=protocol, seed=seed, index=index)
        name = f"{modality.lower()}-{protocol}-{seed}-{index:03d}"
        for kind, volume, dtype in (
            ("images", case.image, np.int16 if modality == "CT" else np.float32),
            ("labels", case.label, np.uint8),
        ):
            file = folder / kind / f"{name}.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, encode_nifti(volume, dtype=np.dtype(dtype)))
        names.append(name)
    datalist = {
        "name": f"{PHANTOM_NAME} {task}",
        "modality": {"0": modality},
        "labels": {"background": 0, **PHANTOM_LABELS[task]},
        "training": [
            {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz"} for name in names
        ],
    }
    write_atomically(folder / DATALIST, json.dumps(datalist, indent=2).encode())
    return names


def encode_nifti(volume: Volume, *, dtype: np.dtype) -> bytes:
    """Encodes a volume as .nii.gz with its affine as sform and qform, in mm."""
    image = nibabel.Nifti1Image(volume.array.astype(dtype), volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
