"""Memory of a whole-body CT, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fedgin.settings import make_settings
from released_models import release_into

GIB = 2**30
CODE = """
import sys
from pathlib import Path
from fedgin.cli import build_app
build_app()(sys.argv[1:], standalone_mode=False)
# Of this program alone: what getrusage tells may be what started it.
lines = Path("/proc/self/status").read_text().splitlines()
sys.stderr.write(str(next(int(line.split()[1]) for line in lines if line[:6] == "VmHWM:") * 1024))
"""


def header_of(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> bytes:
    """The first 352 bytes of a .nii file of int16 voxels."""
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header.set_sform(np.diag([*spacing, 1.0]), code=1)
    header["vox_offset"] = 352
    header["scl_slope"] = 1
    return bytes(header.binaryblock) + bytes(4)


def write_ct(path: Path, slices: int) -> Path:
    """Writes 512 x 512 slices of a body, 0.8 mm in plane, without holding them all."""
    rows, columns = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.where(rows**2 + (1.4 * columns) ** 2 < 0.7, 40, -1000)
    generator = np.random.default_rng(0)
    noisy = [(body + generator.normal(0, 15, body.shape)).astype("<i2") for _ in range(8)]
    with path.open("wb") as file:
        file.write(header_of((512, 512, slices), (0.8, 0.8, 1.5)))
        for place in range(slices):
            file.write(noisy[place % 8].tobytes())
    return path


def peak_of(folder: Path, slices: int) -> int:
    """Bytes that a prediction held at most."""
    scan = write_ct(folder / f"{slices}.nii", slices)
    arguments = [str(folder / "model"), str(scan), str(folder / f"out-{slices}")]
    command = [sys.executable, "-c", CODE, "predict", *arguments, "--threads", "1"]
    done = subprocess.run(
        [*command, "--no-shift-check"], check=True, capture_output=True, text=True, timeout=600
    )
    scan.unlink()
    label = nib.load(folder / f"out-{slices}/{slices}.nii.gz")
    assert label.shape == (512, 512, slices)
    return int(done.stderr.splitlines()[-1])


@pytest.mark.slow
def test_a_long_ct_takes_less_than_4_gib_and_little_for_each_slice(tmp_path: Path) -> None:
    settings = make_settings(task="abdomen", channels=[8, 16, 32], patch_size=[128, 128])
    release_into(tmp_path / "model", settings)
    short, long = (peak_of(tmp_path, slices) for slices in (100, 300))
    assert long < 4 * GIB
    # A slice as float32 is 1 MiB; labels and what is kept on the task's grid are less.
    assert (long - short) / 200 < 2 * 2**20
    report = json.loads((tmp_path / "out-300/predictions.json").read_text())
    assert report["cases"][0]["shape"] == [512, 512, 300]
