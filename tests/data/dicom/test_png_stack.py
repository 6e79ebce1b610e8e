"""Labels as PNG files: paired with slices by name or by order, placed where the slice lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from site_files import problems_of

from dicom_trees import SHAPE, oblique, voxels, write_series
from fedgin.data.dicom.png_stack import read_png_stack
from fedgin.data.dicom.series import Series, read_series
from fedgin.errors import DataError, Problem

Name = Callable[[int], str]
LABELS = np.random.default_rng(5).choice([0, 63, 126, 189, 252], SHAPE).astype(np.uint8)


def write_pngs(folder: Path, name: Name, labels: np.ndarray = LABELS) -> None:
    folder.mkdir(exist_ok=True)
    for place in range(labels.shape[2]):
        # A PNG's first row is the image's first row, as a viewer shows both.
        Image.fromarray(np.ascontiguousarray(labels[..., place].T)).save(folder / name(place))


def series_of(folder: Path, name: Name) -> Series:
    write_series(folder, voxels(), oblique(), name=name)
    return read_series(folder)


def refused(folder: Path, series: Series) -> tuple[Problem, ...]:
    return problems_of(lambda: read_png_stack(folder, series), DataError)


@pytest.mark.parametrize(
    ("dicom", "png"),
    [
        # By name: IMG-0004-00012.dcm and .png, whose order is against the positions.
        (lambda k: f"IMG-0004-{12 - 2 * k:05d}.dcm", lambda k: f"IMG-0004-{12 - 2 * k:05d}.png"),
        # By order: odd numbers and even ones, of images and labels.
        (lambda k: f"IMG-0004-{2 * k + 1:05d}.dcm", lambda k: f"IMG-0004-{2 * k + 2:05d}.PNG"),
        (lambda k: f"i{95 - k:04d},0000b.dcm", lambda k: f"liver_GT_{95 - k:03d}.png"),
        (lambda k: f"{k + 7}.dcm", lambda k: f"seg{k + 97}.png"),
    ],
    ids=["names", "odd-even", "against", "numbers"],
)
def test_each_file_lands_on_its_slice(tmp_path: Path, dicom: Name, png: Name) -> None:
    series = series_of(tmp_path / "s", dicom)
    write_pngs(tmp_path / "g", png)
    (tmp_path / "g" / "notes.txt").touch()
    found = read_png_stack(tmp_path / "g", series)
    np.testing.assert_array_equal(series.volume.array, voxels())
    np.testing.assert_array_equal(found.array, LABELS)
    assert found.array.dtype == np.uint8
    np.testing.assert_array_equal(found.affine, series.volume.affine)


def test_black_and_white_is_0_and_1_and_16_bits_are_kept(tmp_path: Path) -> None:
    series = series_of(tmp_path / "s", lambda k: f"{k}.dcm")
    write_pngs(tmp_path / "g", lambda k: f"{k}.png", LABELS > 100)
    np.testing.assert_array_equal(read_png_stack(tmp_path / "g", series).array, LABELS > 100)
    write_pngs(tmp_path / "g", lambda k: f"{k}.png", LABELS.astype(np.uint16) * 200)
    found = read_png_stack(tmp_path / "g", series).array
    np.testing.assert_array_equal(found, LABELS.astype(np.uint16) * 200)


def test_files_that_do_not_pair_are_refused(tmp_path: Path) -> None:
    series = series_of(tmp_path / "s", lambda k: f"{k}.dcm")
    assert refused(tmp_path / "g", series)[0].found == "no such folder"
    write_pngs(tmp_path / "g", lambda k: f"{k}.png")
    (tmp_path / "g" / "3.png").rename(tmp_path / "g" / "33.png")
    (problem,) = refused(tmp_path / "g", series)
    assert problem.found == "6 PNG files and 6 slices, 5 of one name; slices without: '3.dcm'"
    (tmp_path / "g" / "33.png").unlink()
    (problem,) = refused(tmp_path / "g", series)
    assert problem.found == "5 PNG files and 6 slices, 5 of one name; slices without: '3.dcm'"
    assert "every slice must have one PNG" in problem.rule


def test_all_damaged_files_are_named(tmp_path: Path) -> None:
    series = series_of(tmp_path / "s", lambda k: f"{k}.dcm")
    write_pngs(tmp_path / "g", lambda k: f"{k}.png")
    folder = tmp_path / "g"
    Image.fromarray(np.zeros((9, 7), np.uint8)).save(folder / "0.png")
    Image.fromarray(np.zeros((7, 9, 3), np.uint8)).save(folder / "1.png")
    (folder / "2.png").write_bytes((folder / "3.png").read_bytes()[:60])
    (folder / "4.png").write_bytes(b"P5 9 7 255\n" + bytes(63))  # another format by that name
    size, colour, cut, other = refused(folder, series)
    assert size.found == "9 x 7, the slice 7 x 9"
    assert colour.found == "mode RGB"
    assert [problem.where for problem in (cut, other)] == [
        str(folder / name) for name in ("2.png", "4.png")
    ]


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    series = series_of(tmp_path / "s", lambda k: f"{k}.dcm")
    write_pngs(tmp_path / "g", lambda k: f"{k}.png")
    (tmp_path / "g" / "2.png").rename(tmp_path / "elsewhere.png")
    (tmp_path / "g" / "2.png").symlink_to(tmp_path / "elsewhere.png")
    assert "leads out" in refused(tmp_path / "g", series)[0].found
    found = read_png_stack(tmp_path / "g", series, within=tmp_path)
    np.testing.assert_array_equal(found.array, LABELS)
