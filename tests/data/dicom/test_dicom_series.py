"""A folder of slices becomes the volume that they are slices of."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_trees import oblique, voxels, write_series
from fedgin.data.dicom.series import read_series


def lps_of_pixel(data: Dataset, row: int, column: int) -> np.ndarray:
    """PS3.3, equation C.7.6.2.1-1, in float64, as it stands there."""
    x, y = (
        np.array(data.ImageOrientationPatient[:3], float),
        np.array(data.ImageOrientationPatient[3:], float),
    )
    down, across = map(float, data.PixelSpacing)
    return np.array(data.ImagePositionPatient, float) + x * across * column + y * down * row


def shuffled(place: int) -> str:
    return f"{(place * 5 + 3) % 6}_{99 - place}.IMA"


@pytest.mark.parametrize(
    "name", [lambda k: f"IM{k}", lambda k: f"IM{9 - k}", shuffled], ids=["up", "down", "mixed"]
)
def test_every_pixel_lands_where_the_standard_puts_it(tmp_path: Path, name) -> None:
    array, affine = voxels(), oblique()
    paths = write_series(tmp_path / "s", array, affine, name=name)
    series = read_series(tmp_path / "s")
    volume = series.volume
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)
    assert series.files == tuple(paths)
    assert (series.modality, series.patient) == ("CT", "anna")
    for place, path in enumerate(series.files):
        data = pydicom.dcmread(path)
        for row, column in ((0, 0), (6, 8), (3, 5)):
            ras = volume.affine @ (column, row, place, 1)
            np.testing.assert_allclose(
                ras[:3] * (-1, -1, 1), lps_of_pixel(data, row, column), atol=1e-6
            )
            stored = data.pixel_array[row, column]
            assert volume.array[column, row, place] == stored


def test_slices_against_the_normal_are_turned_over_with_their_places(tmp_path: Path) -> None:
    array, affine = voxels(), oblique()
    backwards = affine.copy()
    backwards[:3, 3] += 5 * affine[:3, 2]
    backwards[:3, 2] *= -1
    write_series(tmp_path / "s", array[..., ::-1], backwards)
    volume = read_series(tmp_path / "s").volume
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)


def test_reading_takes_the_memory_of_one_volume_and_a_few_slices(tmp_path: Path) -> None:
    shape = (192, 192, 40)
    write_series(tmp_path / "s", voxels(shape), oblique())
    read_series(tmp_path / "s")  # what is loaded once does not count
    tracemalloc.start()
    volume = read_series(tmp_path / "s").volume
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one_slice = volume.array.nbytes / shape[2]
    assert peak < volume.array.nbytes + 10 * one_slice
    assert volume.array.flags.f_contiguous  # as the reader of NIfTI files gives it
