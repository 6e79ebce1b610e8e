"""MONAI's own command on a bundle, and what fedgin's own path gives for the same file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from scipy import ndimage

from fedgin.data.nifti import read_nifti
from fedgin.data.preprocess import normalise, resample, to_ras
from fedgin.data.volume import Volume
from fedgin.engine.evaluator import segment
from fedgin.export.model import ExportModel

# Read by every Python that finds it on its path: in it fedgin cannot be imported, installed or not.
WITHOUT_FEDGIN = """\
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "fedgin":
            raise ModuleNotFoundError(f"No module named {name!r}: refused by the test")

sys.meta_path.insert(0, Refusal())
"""


def environment_without_fedgin(folder: Path) -> dict[str, str]:
    """An environment in which no Python process can import fedgin."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(WITHOUT_FEDGIN)
    kept = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    kept = [part for part in kept if not (Path(part) / "fedgin").exists()]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *kept])}


def run_python(*arguments: str, cwd: Path, site: Path) -> str:
    """Runs Python without fedgin and returns what it printed; a failure shows its errors."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment_without_fedgin(site),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def run_bundle(bundle: Path, *, config: str, scans: Path, results: Path, site: Path) -> None:
    """Runs a bundle as its README says, from its own folder."""
    run_python(
        *("-m", "monai.bundle", "run"),
        *("--config_file", config, "--meta_file", "configs/metadata.json"),
        *("--dataset_dir", str(scans), "--output_dir", str(results)),
        cwd=bundle,
        site=site,
    )


def own_prediction(model: ExportModel, file: Path, *, modality: str) -> np.ndarray:
    """Segments a file with fedgin's preprocessing and window, and returns to the file's voxels.

    The way back is written out here: probabilities between the voxels of the task's grid, by
    scipy's interpolation at the centres of the file's voxels.
    """
    scan = read_nifti(file, kind="image")
    upright = to_ras(scan)
    scores = own_scores(model, prepared(model, upright, modality=modality))
    probabilities = scores.softmax(dim=0).numpy().transpose(0, 3, 2, 1)
    shape, grid = upright.array.shape, probabilities.shape[1:]
    centres = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(shape, grid, strict=True)]
    places = np.stack(np.meshgrid(*centres, indexing="ij"))
    spread = [
        ndimage.map_coordinates(values, places, order=1, mode="nearest") for values in probabilities
    ]
    forth = nibabel.orientations.io_orientation(scan.affine)
    back = nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], forth)
    classes = np.argmax(spread, axis=0).astype(np.uint8)
    return np.asarray(nibabel.orientations.apply_orientation(classes, back))


def prepared(model: ExportModel, upright: Volume, *, modality: str) -> np.ndarray:
    """Prepares an upright scan as for training: shape (Z, Y, X), float16."""
    settings = model.settings
    image = resample(upright, spacing=settings.geometry.spacing, order=1)
    values = normalise(image.array, modality=modality, ct_window=settings.task.ct_window)
    return np.ascontiguousarray(values.transpose(2, 1, 0)).astype(np.float16)


def own_scores(model: ExportModel, image: np.ndarray) -> torch.Tensor:
    """Scores a prepared scan, shape (classes, Z, Y, X), and checks them against `segment`."""
    settings = model.settings
    volume = torch.from_numpy(image.astype(np.float32))
    flat = settings.training.spatial_dims == 2
    with torch.inference_mode():
        scores = sliding_window_inference(
            volume[:, None] if flat else volume[None, None],
            roi_size=settings.geometry.patch_size,
            sw_batch_size=settings.training.window_batch,
            predictor=model.network,
            overlap=settings.training.overlap,
            mode="gaussian",
            cval=float(volume.min()),
        )
    scores = scores.transpose(0, 1) if flat else scores[0]
    expected = segment(model.network, image, settings=settings, device=torch.device("cpu"))
    assert np.array_equal(scores.argmax(dim=0).numpy(), expected)
    return scores
