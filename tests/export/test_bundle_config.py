"""A bundle's transforms and windows are those of training: the same voxels, the same classes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from bundle_runs import own_prediction, prepared
from exported_scans import STORED, write_scan
from monai.bundle import ConfigParser

from fedgin.data.nifti import read_nifti
from fedgin.data.preprocess import resample, to_ras
from fedgin.export.bundle_config import inference_config
from fedgin.export.model import ExportModel, plain_network
from real_data import real_data_folder


def parser(model: ExportModel, scans: Path, *, modality: str) -> ConfigParser:
    """Reads a bundle's configuration as MONAI does, from JSON."""
    config = inference_config(model.settings, model.architecture, modality=modality)
    found = ConfigParser(json.loads(json.dumps(config)))
    found["dataset_dir"] = str(scans)
    found["device"] = "$torch.device('cpu')"
    return found


def first_image(config: ConfigParser) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return config.get_parsed_content("dataset")[0]["image"]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_scan_is_prepared_as_for_training(
    unet: ExportModel, tmp_path: Path, stored: str, modality: str
) -> None:
    scan = write_scan(tmp_path / "scans/a.nii.gz", stored=stored)
    image = first_image(parser(unet, scan.parent, modality=modality))
    upright = to_ras(read_nifti(scan, kind="image"))
    expected = prepared(unet, upright, modality=modality).astype(np.float32)
    found = image.as_tensor().numpy()[0].transpose(2, 1, 0)
    assert found.dtype == np.float32
    # Half precision has steps of 0.001 from 1 to 2: a last digit may fall to either side.
    np.testing.assert_allclose(found, expected, rtol=1.1e-3, atol=2e-5)
    assert np.mean(found == expected) > 0.98
    grid = resample(upright, spacing=unet.settings.geometry.spacing, order=0)
    np.testing.assert_allclose(image.affine.numpy(), grid.affine, atol=1e-9)


@pytest.mark.parametrize(("hu", "value"), [(-1000, -1.0), (150, 0.0), (325, 0.5), (2000, 1.0)])
def test_hounsfield_units_are_mapped_as_the_task_s_window_says(
    unet: ExportModel, tmp_path: Path, hu: int, value: float
) -> None:
    scan = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.full((20, 20, 4), hu, np.int16), np.eye(4) * 4), scan)
    image = first_image(parser(unet, tmp_path, modality="CT")).as_tensor()
    # The window of the heart is from -200 to 500 HU.
    torch.testing.assert_close(image, torch.full_like(image, value), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("unet", "CT"),
        ("batch", "MR"),
        ("dynunet", "MR"),
        ("unet 3D", "MR"),
        ("dynunet 3D", "CT"),
        ("thick slices", "MR"),
    ],
)
def test_classes_on_the_scan_s_grid_are_those_of_fedgin(
    load_model: Callable[[str], ExportModel], tmp_path: Path, name: str, modality: str
) -> None:
    model = load_model(name)
    scan = write_scan(tmp_path / "scans/a.nii.gz")
    found = by_monai(model, scan.parent, modality=modality)
    expected = own_prediction(model, scan, modality=modality)
    assert found.shape == expected.shape
    assert np.mean(found == expected) >= 0.999
    # A network that calls all one class would agree with anything.
    assert np.bincount(expected.ravel()).max() < 0.98 * expected.size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ct_abdomen_sm", "mr_abdomen_sm"])
def test_so_are_those_on_real_scans(
    load_model: Callable[[str], ExportModel], tmp_path: Path, name: str
) -> None:
    folder = real_data_folder()
    if folder is None:
        pytest.skip("no real volumes")
    model, modality = load_model("dynunet"), name[:2].upper()
    scan = tmp_path / "scan.nii.gz"
    scan.symlink_to(folder / f"{name}_image.nii.gz")
    found = by_monai(model, tmp_path, modality=modality)
    expected = own_prediction(model, scan, modality=modality)
    assert np.mean(found == expected) >= 0.999
    assert np.bincount(expected.ravel()).max() < 0.98 * expected.size


def by_monai(model: ExportModel, scans: Path, *, modality: str) -> np.ndarray:
    """Runs a bundle's parts on a folder's first scan; classes on the scan's grid."""
    config = parser(model, scans, modality=modality)
    image = first_image(config)
    with torch.inference_mode():
        scores = config.get_parsed_content("inferer")(image[None], plain_network(model))
    data = {"image": image, "pred": scores[0]}
    for transform in config.get_parsed_content("postprocessing").transforms[:-1]:
        data = transform(data)
    found: np.ndarray = data["pred"].as_tensor().numpy()[0]
    return found


def test_a_small_scan_is_padded_by_its_own_least_value(unet: ExportModel, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "scans/a.nii.gz")
    config = parser(unet, scan.parent, modality="MR")
    image = first_image(config)
    seen: list[float] = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        assert windows.shape[1:] == (1, 64, 16)
        seen.extend([windows[:, :, 0].min().item(), windows[:, :, 0].max().item()])
        return windows

    found = config.get_parsed_content("inferer")(image[None], network)
    assert set(seen) == {image.min().item()}
    # What goes through unchanged comes back in place.
    np.testing.assert_allclose(found[0], image, atol=1e-5)


def test_every_value_is_plain_and_none_is_the_card_s(unet: ExportModel) -> None:
    config = inference_config(unet.settings, unet.architecture, modality="CT")
    text = json.dumps(config, allow_nan=False)
    for word in (*unet.card.sites, unet.card.title, unet.card.weights.sha256):
        assert f'"{word}"' not in text
