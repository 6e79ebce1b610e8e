"""A bundle run by MONAI's own command, in a Python that cannot import fedgin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from bundle_runs import environment_without_fedgin, own_prediction, run_bundle
from exported_scans import write_scan

from fedgin.export.model import ExportModel
from fedgin.export.write import export_model

pytest.importorskip("fire", reason="MONAI's command needs fire")
pytest.importorskip("ignite", reason="MONAI's evaluator needs pytorch-ignite")


def check(model: ExportModel, folder: Path, *, modality: str) -> None:
    """Exports a model, runs its bundle on two scans, and compares with fedgin's own result."""
    export_model(model, folder / "out", formats=("bundle",))
    scans = [
        write_scan(folder / "scans/a.nii.gz"),
        write_scan(folder / "scans/b.nii", shape=(21, 30, 9), stored="axial LPS"),
    ]
    run_bundle(
        folder / "out/bundle",
        config=f"configs/inference_{modality.lower()}.json",
        scans=folder / "scans",
        results=folder / "results",
        site=folder / "site",
    )
    results = sorted((folder / "results").iterdir())
    assert [path.name for path in results] == ["a_seg.nii.gz", "b_seg.nii.gz"]
    for scan, result in zip(scans, results, strict=True):
        before, after = nibabel.load(scan), nibabel.load(result)
        found = np.asarray(after.dataobj)
        assert found.dtype == np.uint8
        np.testing.assert_allclose(after.affine, before.affine, atol=1e-5)
        expected = own_prediction(model, scan, modality=modality)
        assert np.mean(found == expected) >= 0.999
        assert np.bincount(expected.ravel()).max() < 0.98 * expected.size


def test_a_2d_bundle_gives_fedgin_s_classes_on_the_scan_s_grid(
    unet: ExportModel, tmp_path: Path
) -> None:
    check(unet, tmp_path, modality="CT")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "modality"),
    [("unet", "MR"), ("batch", "CT"), ("dynunet", "MR"), ("unet 3D", "CT"), ("dynunet 3D", "MR")],
)
def test_so_does_every_other(
    load_model: Callable[[str], ExportModel], tmp_path: Path, name: str, modality: str
) -> None:
    check(load_model(name), tmp_path, modality=modality)


def test_fedgin_cannot_be_imported_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import fedgin"],
        env=environment_without_fedgin(tmp_path / "site"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "refused by the test" in done.stderr
