"""The memory of a training process does not grow with the number of cached volumes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fedgin.bench.memory import SHAPE, training_peak
from fedgin.settings import make_settings

FEW, MANY = 20, 200
ALLOWED = 1.10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")
@pytest.mark.parametrize(("dims", "steps"), [(2, 120), (3, 90)])
def test_two_hundred_volumes_take_the_memory_of_twenty(
    dims: int, steps: int, tmp_path: Path
) -> None:
    settings = make_settings(
        task="abdomen",
        spatial_dims=dims,
        channels=[4, 8],
        patch_size=[32, 64, 64][-dims:],
        batch_size=8 // dims,
        steps_per_round=steps,
        augmentation="none",
        geometric=False,
    )
    few = training_peak(tmp_path / "few", settings, volumes=FEW)
    many = training_peak(tmp_path / "many", settings, volumes=MANY)
    z, y, x = SHAPE
    assert (MANY - FEW) * z * y * x * 3 > 2 * (ALLOWED - 1) * few  # if they stayed, it would show
    assert many <= ALLOWED * few, f"{many / 2**20:.0f} MiB against {few / 2**20:.0f} MiB"
