"""Real CT and MR volumes, where they are at hand: a label map on the very same grid."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scans import make_model, tiny_settings

from fedgin.predict.case import Choices
from fedgin.predict.inputs import Found, Input
from fedgin.predict.outputs import open_folder
from fedgin.predict.runner import predict_all
from real_data import real_data_folder

FOLDER = real_data_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no real volumes here")


@pytest.mark.parametrize("dims", [2, 3])
def test_real_scans_keep_their_grid(dims: int, tmp_path: Path) -> None:
    assert FOLDER is not None
    entries = json.loads((FOLDER / "manifest.json").read_text())
    items = tuple(Input(e["image"].split(".")[0], FOLDER / e["image"], "nifti") for e in entries)
    out = tmp_path / "out"
    open_folder(out, items, source=FOLDER, force=False)
    model = make_model(tiny_settings("abdomen", dims=dims, spacing=[6.0, 6.0, 6.0]))
    reports = predict_all(model, Found(items), out, choices=Choices(shift_check=False))
    assert [(r.failed, r.modality) for r in reports] == [(False, e["modality"]) for e in entries]
    for item in items:
        image, label = nib.load(item.path), nib.load(out / f"{item.name}.nii.gz")
        assert label.shape == image.shape
        assert np.array_equal(label.affine, image.affine)
        assert label.header.get_zooms() == image.header.get_zooms()
        for kind in ("qform", "sform"):
            mine, theirs = (getattr(x.header, f"get_{kind}")(coded=True) for x in (label, image))
            assert mine[1] == theirs[1]
            assert mine[0] is theirs[0] or np.array_equal(mine[0], theirs[0])
