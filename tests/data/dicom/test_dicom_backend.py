"""Without the extra's packages, sites with DICOM data are told which to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from site_files import problems_of

from dicom_trees import oblique, voxels, write_series
from fedgin.data.dicom.seg import write_seg
from fedgin.data.dicom.series import read_series
from fedgin.errors import ConfigError


def test_a_missing_package_is_named_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "s", voxels(), oblique())
    series = read_series(tmp_path / "s")
    labels = (series.volume.array > 0).astype("uint8")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    (problem,) = problems_of(
        lambda: write_seg(tmp_path / "x", series=series, labels=labels, names={1: "liver"}),
        ConfigError,
    )
    assert problem.where == "package highdicom"
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (problem,) = problems_of(lambda: read_series(tmp_path / "s"), ConfigError)
    assert problem.where == "package pydicom"
    assert "pip install 'pydicom>=3' 'highdicom>=0.25'" in problem.mend
    assert "extra `dicom`" in problem.mend


def test_other_sites_do_not_wait_for_it() -> None:
    code = "import sys, fedgin.data.sources; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert "highdicom" not in done.stdout.split()
