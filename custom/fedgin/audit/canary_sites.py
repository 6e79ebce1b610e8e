"""Two small hospitals whose files carry words to look for, wherever a file can carry one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import yaml

from fedgin.seeding import numpy_generator

PLACES = (
    *("folder", "image file", "label file", "descrip", "aux_file", "intent_name", "db_name"),
    *("label name", "broken file", "broken header"),
)
"""Where a word is planted; the last two at the site that refuses."""
SOUND, BROKEN = "site-1", "site-2"
PATIENTS = 8
SHAPE = (24, 24, 10)
SPACING = (5.0, 5.0, 5.0)


def plant(folder: Path, *, seed: int) -> dict[str, str]:
    """Writes the two sites' files and data.

    `site-1` is sound; one image of `site-2` is cut off, so that the refusal names it.

    Args:
        folder: Where `<site>.yaml` go, and the data.
        seed: Seed of the words and volumes.

    Returns:
        The words by their places.
    """
    generator = numpy_generator("canaries", seed)
    words = {place: "cnry" + generator.bytes(5).hex() for place in PLACES}
    for site in (SOUND, BROKEN):
        root = folder / f"data-{site}" / words["folder"]
        for number in range(PATIENTS):
            name = f"{words['image file']}_{number}"
            if site == BROKEN and number == 0:
                name = words["broken file"]
            _write_pair(root, name, words, generator, broken=site == BROKEN)
        if site == BROKEN:
            file = root / f"im/{words['broken file']}.nii.gz"
            file.write_bytes(file.read_bytes()[:-200])
        (folder / f"{site}.yaml").write_text(_site_file(root, folder, words))
    return words


def _write_pair(
    root: Path,
    name: str,
    words: Mapping[str, str],
    generator: np.random.Generator,
    *,
    broken: bool,
) -> None:
    z, y, x = np.indices(SHAPE[::-1]).astype(np.float32)
    heart = ((x - 12) ** 2 + (y - 12) ** 2) / 36 + (z - 5) ** 2 / 9 < 1
    image = np.where(heart, 150.0, -100.0) + generator.normal(0, 20, heart.shape)
    image[:, :2] = -1000  # air, which a CT must have
    for kind, array in (("im", image.astype(np.int16)), ("la", heart.astype(np.uint8))):
        volume = nib.Nifti1Image(np.ascontiguousarray(array.T), np.diag([*SPACING, 1.0]))
        for key in ("descrip", "aux_file", "intent_name", "db_name"):
            volume.header[key] = words["broken header" if broken else key]
        # A label map must be called as its image is, but it lies in a folder of another name.
        place = root / (kind if kind == "im" else words["label file"])
        place.mkdir(parents=True, exist_ok=True)
        nib.save(volume, place / f"{name}.nii.gz")


def _site_file(root: Path, folder: Path, words: Mapping[str, str]) -> str:
    content = {
        "modality": "CT",
        "dataset": {
            "kind": "glob",
            "root": str(root),
            "images": "im/*.nii.gz",
            "labels": f"{words['label file']}/*.nii.gz",
        },
        "labels": {"heart": 1, words["label name"]: 2},
        "split": {"by": "fraction", "validation": 0.25, "test": 0.25},
        "cache": {"folder": str(folder / "cache")},
        "secret": {"folder": str(folder / "secret")},
        "device": "cpu",
        "threads": 1,
        "share_images": True,
    }
    return yaml.safe_dump(content)
