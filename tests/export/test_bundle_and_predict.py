"""A bundle gives what `fedgin predict` gives, voxel by voxel, on the scan's own grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from exported_scans import write_scan
from test_bundle_config import by_monai
from typer.testing import CliRunner

from fedgin.cli import build_app
from fedgin.export.model import ExportModel

pytest.importorskip("fedgin.predict")


@pytest.mark.parametrize("name", ["unet", "dynunet 3D"])
def test_both_give_the_same_classes(
    load_model: Callable[[str], ExportModel], tmp_path: Path, name: str
) -> None:
    model = load_model(name)
    scan = write_scan(tmp_path / "scans/a.nii.gz")
    arguments = ["predict", model.where, str(scan), str(tmp_path / "out"), "--modality", "MR"]
    done = CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    expected = np.asarray(nibabel.load(tmp_path / "out/a.nii.gz").dataobj)
    found = by_monai(model, scan.parent, modality="MR")
    assert found.shape == expected.shape
    assert np.mean(found == expected) >= 0.999
