"""Miniature data sets with the names, layouts and label values of the real ones.

Each builder fills a folder that then looks as the data set does when it is unzipped; volumes have a
few voxels and boxes for organs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (24, 24, 12)
SPACING = (4.0, 4.0, 5.0)
AMOS = {
    **{"spleen": 1, "right kidney": 2, "left kidney": 3, "gall bladder": 4, "esophagus": 5},
    **{"liver": 6, "stomach": 7, "arota": 8, "postcava": 9, "pancreas": 10},
    **{"right adrenal gland": 11, "left adrenal gland": 12, "duodenum": 13},
    **{"bladder": 14, "prostate/uterus": 15},
}
BTCV = tuple(range(1, 14))
MMWHS = (500, 600, 420, 550, 205, 820, 850)
ABDOMEN = ("liver", "spleen", "kidney_right", "kidney_left", "pancreas", "gallbladder")
MASKS_CT = (*ABDOMEN, "heart", "aorta", "stomach", "lung_upper_lobe_left")
MASKS_MR = (*ABDOMEN, "heart", "aorta", "stomach", "lung_left")


def draw(
    values: Sequence[int], *, modality: str, seed: int = 0, shape: Sequence[int] = SHAPE
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a body with a box for each value, and its label map.

    Returns:
        Intensities (HU or arbitrary units, int16) and label values (uint16), of the same shape.
    """
    x, y, z = shape
    label = np.zeros(shape, dtype=np.uint16)
    columns = 4
    rows = -(-len(values) // columns)
    for number, value in enumerate(values):
        row, column = divmod(number, columns)
        left, front = 2 + column * (x - 4) // columns, 2 + row * (y - 4) // rows
        width, depth = max((x - 4) // columns - 1, 1), max((y - 4) // rows - 1, 1)
        label[left : left + width, front : front + depth, z // 4 : -(z // 4)] = value
    noise = np.random.default_rng(seed).normal(0, 10, shape)
    order = np.searchsorted(sorted(values), label) + 1
    tissue = np.where(label > 0, 40 + 15 * order, 0)
    image = tissue + noise
    image[0], image[-1] = (-1000, -1000) if modality == "CT" else (0, 0)
    if modality == "MR":
        image = np.abs(image) + 100
    return image.astype(np.int16), label


def save(path: Path, array: np.ndarray, spacing: Sequence[float] = SPACING) -> Path:
    """Writes an array as NIfTI, in mm and RAS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = nib.Nifti1Image(array, np.diag([*spacing, 1.0]))
    volume.header.set_xyzt_units("mm")
    nib.save(volume, path)
    return path


def pair(image: Path, label: Path, values: Sequence[int], *, modality: str, seed: int = 0) -> None:
    """Writes an image and its label map."""
    drawn = draw(values, modality=modality, seed=seed)
    save(image, drawn[0])
    save(label, drawn[1].astype(np.uint8) if max(values) < 256 else drawn[1])


def amos22(root: Path, *, ct: int = 4, mr: int = 4) -> Path:
    """AMOS22: of each modality all but two cases train, one validates, one is a test image."""
    for modality, first, count in (("CT", 1, ct), ("MR", 507, mr)):
        for number in range(count):
            name = f"amos_{first + number:04d}.nii.gz"
            part = {count - 2: "Va", count - 1: "Ts"}.get(number, "Tr")
            image, label = root / f"images{part}" / name, root / f"labels{part}" / name
            pair(image, label, list(AMOS.values()), modality=modality, seed=first + number)
            if part == "Ts":
                label.unlink()
                label.parent.rmdir() if not any(label.parent.iterdir()) else None
    content = {
        "name": "AMOS",
        "modality": {"0": "CT"},
        "labels": {"0": "background", **{str(value): name for name, value in AMOS.items()}},
    }
    (root / "dataset.json").write_text(json.dumps(content))
    (root / "readme.md").write_text("AMOS\n")
    return root


def mmwhs(root: Path, *, ct: int = 3, mr: int = 3) -> Path:
    """MM-WHS: training cases with labels and a test image of each modality."""
    for modality, count in (("ct", ct), ("mr", mr)):
        for number in range(1001, 1001 + count):
            stem = root / f"{modality}_train" / f"{modality}_train_{number}"
            files = [stem.with_name(f"{stem.name}_{kind}.nii.gz") for kind in ("image", "label")]
            values = [421 if v == 420 and number == 1001 else v for v in MMWHS]
            pair(*files, values, modality=modality.upper(), seed=number)
        test = root / f"{modality}_test" / f"{modality}_test_2001_image.nii.gz"
        save(test, draw(MMWHS, modality=modality.upper())[0])
    return root


def btcv(root: Path, *, cases: int = 3) -> Path:
    """BTCV, in the folder RawData/Training of its archive; returns that folder."""
    training = root / "RawData" / "Training"
    for number in range(1, cases + 1):
        image = training / "img" / f"img{number:04d}.nii.gz"
        label = training / "label" / f"label{number:04d}.nii.gz"
        pair(image, label, BTCV, modality="CT", seed=number)
    test = root / "RawData" / "Testing" / "img" / "img0061.nii.gz"
    save(test, draw(BTCV, modality="CT")[0])
    return training


def msd(root: Path, *, cases: int = 3) -> Path:
    """Task09_Spleen of the decathlon, with the hidden files that its archive holds."""
    task = root / "Task09_Spleen"
    names = [f"spleen_{number}.nii.gz" for number in (2, 3, 6, 8, 9, 10)[:cases]]
    for number, name in enumerate(names):
        pair(task / "imagesTr" / name, task / "labelsTr" / name, [1], modality="CT", seed=number)
        (task / "imagesTr" / f"._{name}").write_bytes(bytes(187))
    save(task / "imagesTs" / "spleen_1.nii.gz", draw([1], modality="CT")[0])
    content = {
        "name": "Spleen",
        "description": "Spleen Segmentation",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen"},
        "numTraining": len(names),
        "numTest": 1,
        "training": [
            {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names
        ],
        "test": ["./imagesTs/spleen_1.nii.gz"],
    }
    (task / "dataset.json").write_text(json.dumps(content))
    return task


NNUNET_LABELS = {"background": 0, **{name: value for value, name in enumerate(ABDOMEN, start=1)}}


def nnunet(
    root: Path,
    *,
    cases: int = 3,
    channel: str = "MRI",
    labels: Mapping[str, object] = NNUNET_LABELS,
) -> Path:
    """A folder of nnUNet_raw, with a test image."""
    dataset = root / "Dataset702_AbdomenMR"
    modality = "CT" if channel == "CT" else "MR"
    for number in range(cases):
        image = dataset / "imagesTr" / f"case_{number:03d}_0000.nii.gz"
        label = dataset / "labelsTr" / f"case_{number:03d}.nii.gz"
        pair(image, label, range(1, 7), modality=modality, seed=number)
    save(dataset / "imagesTs" / "case_100_0000.nii.gz", draw([1], modality=modality)[0])
    content = {
        "channel_names": {"0": channel},
        "labels": dict(labels),
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    (dataset / "dataset.json").write_text(json.dumps(content))
    return dataset


def folder(root: Path, *, cases: int = 3, modality: str = "CT") -> Path:
    """Two plain folders and a dataset.json with the names of the labels."""
    for number in range(cases):
        files = [root / kind / f"case{number}.nii.gz" for kind in ("images", "labels")]
        pair(*files, range(1, 7), modality=modality, seed=number)
    names = {name: value for value, name in enumerate(ABDOMEN, start=1)}
    (root / "dataset.json").write_text(json.dumps({"labels": {"background": 0, **names}}))
    return root


def totalsegmentator_ct(root: Path, *, subjects: int = 5) -> Path:
    """TotalSegmentator CT, version 2: the last but one subject validates, the last one tests."""
    splits = ["train"] * (subjects - 2) + ["val", "test"]
    return _totalsegmentator(root, "ct", MASKS_CT, splits)


def totalsegmentator_mr(root: Path, *, subjects: int = 5) -> Path:
    """TotalSegmentator MR, version 2, whose split has no validation subjects."""
    return _totalsegmentator(root, "mri", MASKS_MR, ["train"] * (subjects - 1) + ["test"])


def _totalsegmentator(root: Path, image: str, masks: Sequence[str], splits: Sequence[str]) -> Path:
    columns = "image_id;age;gender;institute;study_type;split;manufacturer;scanner_model;kvp;"
    lines = [columns + "pathology;pathology_location"]
    for number, split in enumerate(splits):
        subject = root / f"s{number:04d}"
        modality = "CT" if image == "ct" else "MR"
        drawn, label = draw(range(1, len(masks) + 1), modality=modality, seed=number)
        save(subject / f"{image}.nii.gz", drawn)
        for value, name in enumerate(masks, start=1):
            mask = (label == value).astype(np.uint8)
            save(subject / "segmentations" / f"{name}.nii.gz", mask)
        lines.append(f"{subject.name};60;m;C;{image} abdomen;{split};siemens;x;120;no_pathology;")
    (root / "meta.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return root


TREES: Mapping[str, Callable[[Path], Path]] = {
    "totalsegmentator_ct": totalsegmentator_ct,
    "totalsegmentator_mr": totalsegmentator_mr,
    "amos22": amos22,
    "mmwhs": mmwhs,
    "btcv": btcv,
    "msd": msd,
    "nnunet": nnunet,
    "folder": folder,
}
"""Builder by adapter; each returns the root that the adapter is given."""
