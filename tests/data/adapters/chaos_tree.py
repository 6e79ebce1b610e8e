"""CHAOS in miniature, named as it unzips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from dicom_trees import oblique, voxels, write_series

SHAPE = (10, 8, 5)
MR = np.random.default_rng(1).choice([0, 63, 126, 189, 252], SHAPE).astype(np.uint8)
CT = np.random.default_rng(2).random(SHAPE) > 0.6


def write_labels(folder: Path, labels: np.ndarray, name: Callable[[int], str]) -> None:
    folder.mkdir(parents=True)
    for place in range(labels.shape[2]):
        Image.fromarray(np.ascontiguousarray(labels[..., place].T)).save(folder / name(place))


def write_patients(root: Path) -> Path:
    """A CT patient and an MR patient, both numbered 1, named as in the data set."""
    ct = root / "Train_Sets" / "CT" / "1"
    # File names run against the positions.
    write_series(
        ct / "DICOM_anon",
        voxels(SHAPE),
        oblique(),
        name=lambda k: f"i{4 - k:04d},0000b.dcm",
        series="ct",
    )
    write_labels(ct / "Ground", CT, lambda k: f"liver_GT_{4 - k:03d}.png")
    mr = root / "Train_Sets" / "MR" / "1"
    for number, (folder, step) in enumerate(
        {"T1DUAL/DICOM_anon/OutPhase": 1, "T1DUAL/DICOM_anon/InPhase": 2}.items()
    ):
        write_series(
            mr / folder,
            voxels(SHAPE, seed=number) + 1000,
            oblique(),
            name=lambda k, step=step: f"IMG-0004-{2 * k + step:05d}.dcm",
            modality="MR",
            series=folder,
        )
    write_labels(mr / "T1DUAL" / "Ground", MR, lambda k: f"IMG-0004-{2 * k + 2:05d}.png")
    write_series(
        mr / "T2SPIR" / "DICOM_anon",
        voxels(SHAPE, seed=7) + 1000,
        oblique(),
        name=lambda k: f"IMG-0002-{k + 1:05d}.dcm",
        modality="MR",
        series="t2",
    )
    write_labels(mr / "T2SPIR" / "Ground", MR[::-1], lambda k: f"IMG-0002-{k + 1:05d}.png")
    return root
