"""Real CT and MR volumes of an abdomen, where they are at hand."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_files import make_site

from fedgin.data.prepare import PreparedCase, prepare_site
from fedgin.settings import make_settings
from fedgin.tasks import get_task
from real_data import real_data_folder

FOLDER = real_data_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no real volumes here")

TASK = get_task("abdomen")
MODALITIES = ["CT", "MR"]


def entry_of(modality: str) -> dict[str, Any]:
    assert FOLDER is not None
    entries = json.loads((FOLDER / "manifest.json").read_text())
    return next(e for e in entries if e["modality"] == modality and "abdomen" in e["image"])


def prepare(tmp_path: Path, modality: str, **settings: Any) -> PreparedCase:
    entry = entry_of(modality)
    values = {name: item["value"] for name, item in entry["labels"].items()}
    site = make_site(
        tmp_path,
        modality=modality,
        dataset={
            "kind": "pairs",
            "root": str(FOLDER),
            "cases": [{"image": entry["image"], "label": entry["label"]}],
        },
        labels={name: values[name] for name in TASK.class_names},
        other_labels=[v for name, v in values.items() if name not in TASK.class_names],
    )
    splits = prepare_site(site, make_settings(task="abdomen", **settings)).splits
    (case,) = itertools.chain(*splits.values())
    return case


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("settings", [{}, {"spatial_dims": 3}, {"spacing": [2.0, 2.5, 4.5]}])
def test_organs_keep_their_volume(tmp_path: Path, modality: str, settings: dict[str, Any]) -> None:
    entry = entry_of(modality)
    case = prepare(tmp_path, modality, **settings)
    counts = np.bincount(case.label.ravel(), minlength=TASK.n_classes)
    assert len(counts) == TASK.n_classes
    for index, name in enumerate(TASK.class_names, start=1):
        voxels = entry["labels"][name]["voxels"]
        millilitres = voxels * np.prod(entry["spacing"]) / 1000
        found = counts[index] * np.prod(case.spacing) / 1000
        # The liver is large enough that its border does not matter.
        tolerance = 0.05 if name == "liver" else 0.2
        assert found == pytest.approx(millilitres, rel=tolerance), name


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_liver_lies_to_the_right_of_the_spleen(tmp_path: Path, modality: str) -> None:
    case = prepare(tmp_path, modality)
    x = {
        name: float(np.argwhere(case.label == index)[:, 2].mean())
        for index, name in enumerate(TASK.class_names, start=1)
    }
    assert x["liver"] > x["spleen"]
    assert x["kidney_right"] > x["kidney_left"]


@pytest.mark.parametrize("modality", MODALITIES)
def test_intensities_are_finite_and_on_the_common_scale(tmp_path: Path, modality: str) -> None:
    case = prepare(tmp_path, modality)
    image = case.image.astype(np.float64)
    assert np.isfinite(image).all()
    if modality == "CT":
        assert (image.min(), image.max()) == (-1, 1)
        # The manifest's mean HU of the liver, mapped by the window.
        low, high = TASK.ct_window
        hu = entry_of("CT")["labels"]["liver"]["mean_intensity"]
        expected = 2 * (hu - low) / (high - low) - 1
        assert image[case.label == 1].mean() == pytest.approx(expected, abs=0.05)
    else:
        assert image.mean() == pytest.approx(0, abs=0.01)
        assert image.std() == pytest.approx(1, abs=0.01)
